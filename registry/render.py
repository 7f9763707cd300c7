"""A verdict for people and for CI: JSON, Markdown (a job summary) and JUnit XML."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

from registry.verdict import EXIT_CANNOT_MEASURE
from registry.verdict_store import SignedVerdict

SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
OUTCOME_WORDS = {"not_worse": "not worse", "worse": "worse", "unclear": "not enough evidence"}
# XML 1.0 has no place for most control characters, escaped or not
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_json(signed: SignedVerdict) -> str:
    """The verdict with its hash and signature. `verdict` in canonical JSON is what sha256 and signature cover."""
    verdict = signed.verdict
    data = {
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "verdict": verdict.model_dump(mode="json"),
        "sha256": signed.sha256,
        "public_key": signed.public_key,
        "signature": signed.signature,
        "stored_at": signed.utc,
    }
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def markdown(signed: SignedVerdict) -> str:
    """The verdict as a CI job summary."""
    verdict = signed.verdict
    judgement = verdict.judgement
    against = f"version {verdict.champion.version}" if verdict.champion else "no champion"
    first = ", first release" if judgement.first_release else ""
    lines = [
        f"## {SIGNS[verdict.outcome]} {verdict.voice} version {verdict.candidate.version}: {verdict.outcome}",
        "",
        f"Against {against}{first}; {judgement.n_prompts} prompts, {judgement.n_utterances} utterances, "
        f"seeds {', '.join(map(str, judgement.seeds))}.",
        "",
        *[f"- {_cell(reason)}" for reason in judgement.reasons],
        "",
        "| bar | value | must be | unit | holds |",
        "|---|---|---|---|---|",
    ]
    for bar in judgement.bars:
        words = "at most" if bar.direction == "at_most" else "at least"
        holds = "yes" if bar.holds else "**no**"
        lines.append(f"| {bar.metric} | {bar.value:.4f} | {words} {bar.limit:.4f} | {_cell(bar.unit)} | {holds} |")
    if judgement.comparisons:
        lines += [
            "",
            "| metric | candidate | champion | difference | bound | margin | p | power | says |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for one in judgement.comparisons:
            lines.append(
                f"| {one.metric} | {one.candidate:.4f} | {one.champion:.4f} | {one.difference:+.4f} "
                f"| {one.bound:+.4f} | {one.margin:.4f} | {one.p_not_worse:.4f} | {one.power:.2f} "
                f"| {OUTCOME_WORDS[one.outcome]} |"
            )
    if judgement.failures or judgement.champion_failures:
        names = sorted(judgement.failures.keys() | (judgement.champion_failures or {}).keys())
        lines += ["", "| failure of speech | candidate | champion |", "|---|---|---|"]
        for name in names:
            theirs = "-" if judgement.champion_failures is None else judgement.champion_failures.get(name, 0)
            lines.append(f"| {_cell(name)} | {judgement.failures.get(name, 0)} | {theirs} |")
    judges = judgement.judges
    lines += [
        "",
        f"Judges: {judges.asr} {judges.asr_version}, {judges.speaker} {judges.speaker_version}, "
        f"{judges.normalizer} {judges.normalizer_version}. "
        f"Candidate `{verdict.candidate.candidate_id[:12]}`, prompts `{judgement.prompts_sha256[:12]}`, "
        f"policy `{judgement.policy_sha256[:12]}`.",
    ]
    return "\n".join(lines) + "\n"


def junit(signed: SignedVerdict) -> str:
    """One test case a bar, one a comparison, and the verdict itself; a CI shows which one failed and why."""
    verdict = signed.verdict
    judgement = verdict.judgement
    cases: list[tuple[str, str, str | None, str]] = []  # name, tag for a bad end, message, text
    for bar in judgement.bars:
        words = "at most" if bar.direction == "at_most" else "at least"
        text = f"{bar.value:.6f} {bar.unit}, must be {words} {bar.limit:.6f}"
        cases.append((f"bar {bar.metric}", "failure", None if bar.holds else f"{bar.metric} missed its bar", text))
    for one in judgement.comparisons:
        message = None if one.outcome == "not_worse" else f"{one.metric}: {OUTCOME_WORDS[one.outcome]}"
        text = (
            f"difference {one.difference:+.6f}, bound {one.bound:+.6f}, margin {one.margin:.6f} {one.unit}, "
            f"p {one.p_not_worse:.6f}, power {one.power:.3f}"
        )
        cases.append((f"not worse {one.metric}", "failure", message, text))
    message = None if verdict.outcome == "pass" else f"the verdict is {verdict.outcome}"
    cases.append(("verdict", "failure", message, "\n".join(judgement.reasons)))
    return _junit(verdict.voice, cases)


def unmeasured_markdown(voice: str, message: str) -> str:
    """The job summary where no verdict could be given."""
    return f"## ⚠️ {voice}: could not be measured (exit code {EXIT_CANNOT_MEASURE})\n\n{_cell(message)}\n"


def unmeasured_junit(voice: str, message: str) -> str:
    """JUnit where no verdict could be given: an error, for a failure would blame the candidate."""
    return _junit(voice, [("verdict", "error", "could not be measured", message)])


def _junit(voice: str, cases: list[tuple[str, str, str | None, str]]) -> str:
    bad = [tag for _, tag, message, _ in cases if message is not None]
    counts = {"tests": len(cases), "failures": bad.count("failure"), "errors": bad.count("error"), "skipped": 0}
    attributes = {name: str(count) for name, count in counts.items()}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _xml(f"gate {voice}"), **attributes})
    for name, tag, message, text in cases:
        case = ElementTree.SubElement(suite, "testcase", {"classname": _xml(f"gate.{voice}"), "name": _xml(name)})
        if message is None:
            ElementTree.SubElement(case, "system-out").text = _xml(text)
        else:
            ElementTree.SubElement(case, tag, {"message": _xml(message), "type": tag}).text = _xml(text)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _xml(text: str) -> str:
    return NOT_XML.sub("?", text)


def _cell(text: str) -> str:
    """Text that cannot leave its Markdown cell or line."""
    return " ".join(text.replace("|", "\\|").split())
