"""A verdict for people and for CI: JSON, Markdown (a job summary) and JUnit XML.

python -m registry.verdicts.render > registry/verdicts/verdict.schema.json     the published schema of the JSON
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import EXIT_CANNOT_MEASURE, Bound, Comparison, Decision, Outcome, Verdict

SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
OUTCOME_WORDS = {"not_worse": "not worse", "worse": "worse", "unclear": "not enough evidence"}
MOST_ROWS = 200  # of one table; GitHub shows a summary of 1 MiB at most, and nobody reads on
MOST_CHARACTERS = 2_000  # of one reason
# XML 1.0 has no place for most control characters, escaped or not
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """A test case of JUnit; with a message it ended badly."""

    name: str
    message: str | None
    text: str
    tag: Literal["failure", "error", "skipped"] = "failure"


class VerdictFile(BaseModel):
    """What `vox gate --json` writes."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    outcome: Outcome
    exit_code: Literal[0, 1, 3]
    verdict: Verdict = Field(description="in canonical JSON it is what sha256 and signature cover")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    public_key: str
    signature: str
    stored_at: str = Field(description="UTC, ISO 8601")


def schema() -> str:
    """The JSON schema of what `to_json` writes, as registry/verdicts/verdict.schema.json holds it."""
    return json.dumps(VerdictFile.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def to_json(signed: SignedVerdict) -> str:
    """The verdict with its hash and signature, by the schema in registry/verdicts/verdict.schema.json."""
    verdict = signed.verdict
    file = VerdictFile(
        outcome=verdict.outcome,
        exit_code=verdict.exit_code,
        verdict=verdict,
        sha256=signed.sha256,
        public_key=signed.public_key,
        signature=signed.signature,
        stored_at=signed.utc,
    )
    data = file.model_dump(mode="json")
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(signed: SignedVerdict) -> str:
    """The verdict as a CI job summary: under 900 kB whatever the number of prompts and slices."""
    verdict = signed.verdict
    decision = verdict.decision
    against = f"version {verdict.champion.version}" if verdict.champion else "no champion"
    first = ", first release" if decision.first_release else ""
    judges = decision.judges
    parts = [
        f"## {SIGNS[verdict.outcome]} {verdict.voice} version {verdict.candidate.version}: {verdict.outcome}",
        f"Against {against}{first}; {decision.n_prompts} prompts, {decision.n_utterances} utterances, "
        f"seeds {', '.join(map(str, decision.seeds))}.",
        f"**Next:** {_cell(decision.advice)}",
        "\n".join(f"- {_cell(reason)}" for reason in decision.reasons[:MOST_ROWS]) + _more(len(decision.reasons)),
        _bar_table(decision.bars),
        _slice_table(decision),
        _comparison_table(decision.comparisons),
        _failure_table(decision),
        _prompt_table(decision),
        f"Judges: {judges.asr} {judges.asr_version}, {judges.speaker} {judges.speaker_version}, "
        f"{judges.normalizer} {judges.normalizer_version}. "
        f"Candidate `{verdict.candidate.candidate_id[:12]}`, prompts `{decision.prompts_sha256[:12]}`, "
        f"policy `{decision.policy_sha256[:12]}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def junit(signed: SignedVerdict) -> str:
    """One test case for each metric and slice of each rule, and the verdict itself: a CI shows which failed and why."""
    verdict = signed.verdict
    decision = verdict.decision
    cases = [
        Case(f"bar {_bar_name(bar)}", None if bar.holds else f"{_bar_name(bar)} missed its bar", _bar_text(bar))
        for bar in (*decision.bars, *decision.slice_bars)
    ]
    for one in decision.comparisons:
        rule = "not worse" if one.rule == "non_inferiority" else "better"
        message = None if one.outcome == "not_worse" else f"{rule} {one.metric}: {OUTCOME_WORDS[one.outcome]}"
        text = (
            f"difference {one.difference:+.6f} from {one.low:+.6f} to {one.high:+.6f}, bound {one.bound:+.6f}, "
            f"margin {one.margin:.6f} {one.unit}, p {one.p_not_worse:.6f}, power {one.power:.3f}"
        )
        cases.append(Case(f"{rule} {one.metric}", message, text))
    if lost := decision.regressed_prompts:
        text = f"{len(lost.lost)} lost, {lost.at_most} allowed: {', '.join(lost.lost[:MOST_ROWS])}"
        cases.append(Case("lost prompts", None if lost.outcome == "holds" else f"guard {lost.outcome}", text))
    if votes := decision.preference:
        text = f"{votes.n_candidate} votes for the candidate, {votes.n_champion} for the champion, {votes.n_ties} ties"
        message = None if votes.outcome == "not_worse" else f"votes: {OUTCOME_WORDS[votes.outcome]}"
        cases.append(Case("votes", message, text))
    for one in decision.small_slices:
        cases.append(Case(f"slice {one.slice}", f"{one.n_prompts} prompts of {one.min_prompts}", "", "skipped"))
    message = None if verdict.outcome == "pass" else f"the verdict is {verdict.outcome}"
    cases.append(Case("verdict", message, "\n".join([*decision.reasons, decision.advice])))
    return _junit(verdict.voice, cases)


def unmeasured_markdown(voice: str, message: str) -> str:
    """The job summary where no verdict could be given."""
    return f"## ⚠️ {voice}: could not be measured (exit code {EXIT_CANNOT_MEASURE})\n\n{_cell(message)}\n"


def unmeasured_junit(voice: str, message: str) -> str:
    """JUnit where no verdict could be given: an error, for a failure would blame the candidate."""
    return _junit(voice, [Case("verdict", "could not be measured", message, "error")])


def _bar_table(bars: Iterable[Bound]) -> str:
    return _table(
        ("bar", "value", "must be", "unit", "holds"),
        [(_bar_name(bar), f"{bar.value:.4f}", _limit(bar), bar.unit, "yes" if bar.holds else "**no**") for bar in bars],
    )


def _slice_table(decision: Decision) -> str:
    """The missed bars first; a slice too small for its bars says so."""
    bars = sorted(decision.slice_bars, key=lambda bar: bar.holds)
    rows = [
        (bar.slice, bar.n_prompts, bar.metric, f"{bar.value:.4f}", _limit(bar), "yes" if bar.holds else "**no**")
        for bar in bars
    ]
    rows += [
        (one.slice, one.n_prompts, "", "", "", f"not judged: {one.min_prompts} prompts wanted")
        for one in decision.small_slices
    ]
    return _table(("slice", "prompts", "bar", "value", "must be", "holds"), rows)


def _comparison_table(comparisons: Iterable[Comparison]) -> str:
    titles = ("metric", "candidate", "champion", "difference", "interval", "bound", "margin", "p", "power", "says")
    return _table(
        titles,
        [
            (
                one.metric if one.rule == "non_inferiority" else f"{one.metric} (better)",
                f"{one.candidate:.4f}",
                f"{one.champion:.4f}",
                f"{one.difference:+.4f}",
                f"{one.low:+.4f} to {one.high:+.4f}",
                f"{one.bound:+.4f}",
                f"{one.margin:.4f}",
                f"{one.p_not_worse:.4f}",
                f"{one.power:.2f}",
                OUTCOME_WORDS[one.outcome],
            )
            for one in comparisons
        ],
    )


def _failure_table(decision: Decision) -> str:
    theirs = decision.champion_failures
    names = sorted(decision.failures.keys() | (theirs or {}).keys())
    rows = [(name, decision.failures.get(name, 0), "-" if theirs is None else theirs.get(name, 0)) for name in names]
    return _table(("failure of speech", "candidate", "champion"), rows)


def _prompt_table(decision: Decision) -> str:
    """The worst prompts, folded: the reasons stay in sight."""
    rows = [
        (
            f"`{one.prompt_id}`",
            one.category,
            one.text,
            f"{one.wer:.3f}",
            _figure(one.champion_wer),
            f"{one.similarity:.3f}",
            _figure(one.champion_similarity),
            ", ".join(f"{name} {count}" for name, count in one.failures.items()),
        )
        for one in decision.worst_prompts
    ]
    titles = ("prompt", "category", "text", "WER", "champion", "similarity", "champion", "failures")
    title = f"The worst {len(rows)} of {decision.n_prompts} prompts; report.html has all of them"
    # GitHub reads Markdown inside a fold only after an empty line
    return f"<details><summary>{title}</summary>\n\n{_table(titles, rows)}\n\n</details>"


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, or nothing without rows; beyond MOST_ROWS the number of the others."""
    if not rows:
        return ""
    lines = [titles, ["---"] * len(titles), *rows[:MOST_ROWS]]
    return "\n".join(f"| {' | '.join(_cell(str(cell)) for cell in line)} |" for line in lines) + _more(len(rows))


def _more(n_rows: int) -> str:
    return f"\n\nand {n_rows - MOST_ROWS} more" if n_rows > MOST_ROWS else ""


def _bar_name(bar: Bound) -> str:
    of = "" if bar.of == "value" else f" of {bar.of}"
    return f"{bar.metric}{of}" + (f", {bar.slice}" if bar.slice else "")


def _limit(bar: Bound) -> str:
    return f"{'at most' if bar.direction == 'at_most' else 'at least'} {bar.limit:.4f}"


def _bar_text(bar: Bound) -> str:
    return f"{bar.value:.6f} {bar.unit} on {bar.n_prompts} prompts, must be {_limit(bar)}; {bar.reason}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _junit(voice: str, cases: Sequence[Case]) -> str:
    bad = [case.tag for case in cases if case.message is not None]
    counts = {
        "tests": len(cases),
        "failures": bad.count("failure"),
        "errors": bad.count("error"),
        "skipped": bad.count("skipped"),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    suites = ElementTree.Element("testsuites", {k: v for k, v in attributes.items() if k != "skipped"})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _xml(f"gate {voice}"), **attributes})
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", {"classname": _xml(f"gate.{voice}"), "name": _xml(case.name)}
        )
        if case.message is None:
            ElementTree.SubElement(element, "system-out").text = _xml(case.text)
        elif case.tag == "skipped":
            ElementTree.SubElement(element, "skipped", {"message": _xml(case.message)})
        else:
            bad_end = {"message": _xml(case.message), "type": case.tag}
            ElementTree.SubElement(element, case.tag, bad_end).text = _xml(case.text)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _xml(text: str) -> str:
    return NOT_XML.sub("?", text)


def _cell(text: str) -> str:
    """Text that cannot leave its Markdown cell or line, nor be taken for markup."""
    text = " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


if __name__ == "__main__":
    sys.stdout.write(schema())
