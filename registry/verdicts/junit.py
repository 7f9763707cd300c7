"""A verdict as JUnit XML: one test case per rule, so that a CI system shows which failed and why."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from registry.gate.decision import (
    Comparison,
    Decision,
    PreferenceCheck,
    Reason,
    RegressedPromptsCheck,
    ThresholdCheck,
)
from registry.gate.policy import threshold_name
from registry.gate.reasons.builder import comparison_code, regression_code, threshold_code, vote_code
from registry.gate.reasons.codes import PART_CODES, REASON_CODES, ReasonCode
from registry.verdicts.store import SignedVerdict

MAX_PROMPTS = 200  # named in one case
# XML 1.0 has no place for most control characters, escaped or not
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """A test case of JUnit. One with a message did not end well.

    Attributes:
        name: Unique in the file.
        message: What went wrong, in a few words, or None.
        text: The figures.
        tag: How it ended, where there is a message.
        type: Reason code of a failure.
    """

    name: str
    message: str | None
    text: str
    tag: Literal["failure", "error", "skipped"] = "failure"
    type: str = ""


def to_junit(signed: SignedVerdict) -> str:
    """Return one test case per metric and slice of each rule, and one for the verdict itself."""
    verdict = signed.verdict
    decision = verdict.decision
    cases = [_threshold_case(one) for one in (*decision.thresholds, *decision.slice_thresholds)]
    parts = (*decision.other_languages, *decision.presets)
    cases += [_threshold_case(one) for part in parts for one in part.thresholds]
    for part in (decision, *parts):
        cases += [_comparison_case(one) for one in part.comparisons]
        if part.regressed_prompts is not None:
            cases.append(_regression_case(part.regressed_prompts))
    cases += [_case_by_code(one.slice, one.code, one.text) for one in decision.reasons if one.code in PART_CODES]
    cases += [_lane_case(one) for lane in decision.lanes for one in lane.reasons]
    if decision.preference is not None:
        cases.append(_vote_case(decision.preference))
    cases += [
        Case(f"slice {one.slice}", f"{one.n_prompts} prompts of {one.min_prompts}", "", "skipped")
        for one in decision.small_slices
    ]
    return _to_xml(verdict.voice, [*cases, _verdict_case(decision)])


def unmeasured_junit(voice: str, message: str) -> str:
    """Return JUnit where there is no verdict. It is an error, because a failure would blame the candidate."""
    return _to_xml(voice, [Case("verdict", "could not be measured", message, "error", "cannot_measure")])


def _lane_case(reason: Reason) -> Case:
    """Return what a lane showed. A rule that it missed is skipped and not failed: the lane alone is not offered."""
    info = REASON_CODES[reason.code]
    name = " ".join(part for part in (reason.slice, reason.code, reason.metric) if part)
    return Case(name, None if info.outcome == "pass" else reason.text, reason.text, "skipped")


def _threshold_case(check: ThresholdCheck) -> Case:
    name = threshold_name(check.metric, check.scale) + _in_slice(check.slice)
    text = (
        f"{check.value:.6f} {check.unit} on {check.n_prompts} prompts, must be {check.direction.replace('_', ' ')} "
        f"{check.threshold:.4f}; {check.reason}"
    )
    message = None if check.met else f"{name} missed its threshold"
    return Case(f"threshold {name}", message, text, type=threshold_code(check))


def _comparison_case(check: Comparison) -> Case:
    name = f"{'not worse' if check.rule == 'non_inferiority' else 'better'} {check.metric}" + _in_slice(check.slice)
    text = (
        f"difference {check.difference:+.6f} from {check.low:+.6f} to {check.high:+.6f}, bound {check.bound:+.6f}, "
        f"margin {check.margin:.6f} {check.unit}, p {check.p_not_worse:.6f}, power {check.power:.3f}"
    )
    return _case_by_code(name, comparison_code(check), text)


def _regression_case(check: RegressedPromptsCheck) -> Case:
    names = ", ".join(check.regressed[:MAX_PROMPTS])
    return _case_by_code(
        "regressed prompts" + _in_slice(check.slice),
        regression_code(check),
        f"{len(check.regressed)} regressed, {check.at_most} allowed: {names}",
    )


def _in_slice(name: str) -> str:
    return f", {name}" if name else ""


def _vote_case(check: PreferenceCheck) -> Case:
    text = f"{check.n_candidate} votes for the candidate, {check.n_champion} for the champion, {check.n_ties} ties"
    return _case_by_code("votes", vote_code(check), text)


def _verdict_case(decision: Decision) -> Case:
    message = None if decision.outcome == "pass" else f"the verdict is {decision.outcome}"
    text = "\n".join([*(reason.text for reason in decision.reasons), decision.advice])
    return Case("verdict", message, text, type=decision.reasons[0].code)


def _case_by_code(name: str, code: ReasonCode, text: str) -> Case:
    info = REASON_CODES[code]
    return Case(name, None if info.outcome == "pass" else f"{name}: {info.phrase}", text, type=code)


def _to_xml(voice: str, cases: Sequence[Case]) -> str:
    tags = [case.tag for case in cases if case.message is not None]
    counts = {
        "tests": len(cases),
        "failures": tags.count("failure"),
        "errors": tags.count("error"),
        "skipped": tags.count("skipped"),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    suites = ElementTree.Element("testsuites", {name: n for name, n in attributes.items() if name != "skipped"})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _xml_text(f"gate {voice}"), **attributes})
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", {"classname": _xml_text(f"gate.{voice}"), "name": _xml_text(case.name)}
        )
        if case.message is None:
            ElementTree.SubElement(element, "system-out").text = _xml_text(case.text)
        elif case.tag == "skipped":
            ElementTree.SubElement(element, "skipped", {"message": _xml_text(case.message)})
        else:
            outcome = {"message": _xml_text(case.message), "type": case.type}
            ElementTree.SubElement(element, case.tag, outcome).text = _xml_text(case.text)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _xml_text(text: str) -> str:
    return NOT_XML.sub("?", text)
