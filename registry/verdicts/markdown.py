"""A verdict as Markdown: the summary of a CI job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metrics.normalize import error_unit
from registry.gate.decision import (
    Comparison,
    Decision,
    LaneDecision,
    LanguageDecision,
    PartDecision,
    PresetDecision,
    Reason,
    ThresholdCheck,
)
from registry.gate.policy import threshold_name
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import EXIT_CANNOT_MEASURE

SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
EVIDENCE_WORDS = {"not_worse": "not worse", "worse": "worse", "unclear": "not enough evidence"}
MAX_ROWS = 200  # of one table; GitHub shows a summary of 1 MiB at most
MAX_CHARACTERS = 2_000  # of one reason


def to_markdown(signed: SignedVerdict) -> str:
    """Return the verdict as a CI job summary, under 900 kB whatever the number of prompts and slices."""
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
        _reason_list(decision.reasons),
        _threshold_table(decision.thresholds),
        _slice_table(decision),
        _comparison_table(decision.comparisons),
        _failure_table(decision),
        _prompt_table(decision),
        *(_language_part(one) for one in decision.other_languages),
        *(_preset_part(one) for one in decision.presets),
        *(_lane_part(one) for one in decision.lanes),
        f"Judges: {judges.asr} {judges.asr_version}, {judges.speaker} {judges.speaker_version}, "
        f"{judges.normalizer} {judges.normalizer_version}. "
        f"Candidate `{verdict.candidate.candidate_id[:12]}`, prompts `{decision.prompts_sha256[:12]}`, "
        f"policy `{decision.policy_sha256[:12]}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def unmeasured_markdown(voice: str, message: str) -> str:
    """Return the job summary where there is no verdict, because nothing could be measured."""
    return f"## ⚠️ {voice}: could not be measured (exit code {EXIT_CANNOT_MEASURE})\n\n{_cell(message)}\n"


def _threshold_table(checks: Iterable[ThresholdCheck]) -> str:
    return _table(
        ("threshold", "value", "must be", "unit", "met"),
        [
            (
                threshold_name(one.metric, one.scale),
                f"{one.value:.4f}",
                _requirement(one),
                one.unit,
                _yes_or_no(one.met),
            )
            for one in checks
        ],
    )


def _slice_table(decision: Decision) -> str:
    """Return the thresholds on slices, the missed ones first, then the slices that were too small."""
    checks = sorted(decision.slice_thresholds, key=lambda check: check.met)
    rows = [
        (one.slice, one.n_prompts, one.metric, f"{one.value:.4f}", _requirement(one), _yes_or_no(one.met))
        for one in checks
    ]
    rows += [
        (one.slice, one.n_prompts, "", "", "", f"not checked: needs {one.min_prompts} prompts")
        for one in decision.small_slices
    ]
    return _table(("slice", "prompts", "threshold", "value", "must be", "met"), rows)


def _comparison_table(comparisons: Iterable[Comparison]) -> str:
    return _table(
        ("metric", "candidate", "champion", "difference", "interval", "bound", "margin", "p", "power", "finding"),
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
                EVIDENCE_WORDS[one.outcome],
            )
            for one in comparisons
        ],
    )


def _language_part(decision: LanguageDecision) -> str:
    """Return what was found in a language besides the voice's own."""
    parts = [
        f"### Language {decision.language}",
        f"{decision.n_prompts} prompts, {decision.n_utterances} utterances, seeds "
        f"{', '.join(map(str, decision.seeds))}; errors are counted in {error_unit(decision.language)}s; "
        f"{decision.normalizer} {decision.normalizer_version}, prompts `{decision.prompts_sha256[:12]}`.",
        *_part_tables(decision, rules="gate.other_languages"),
    ]
    return "\n\n".join(part for part in parts if part)


def _preset_part(decision: PresetDecision) -> str:
    """Return what was found with a preset besides the voice's default one."""
    parts = [
        f"### Preset {decision.name}: {decision.outcome}",
        f"{decision.n_prompts} prompts, {decision.n_utterances} utterances, seeds "
        f"{', '.join(map(str, decision.seeds))}; settings `{decision.settings_sha256[:12]}`, prompts "
        f"`{decision.prompts_sha256[:12]}`.",
        *_part_tables(decision, rules="gate.presets"),
    ]
    return "\n\n".join(part for part in parts if part)


def _lane_part(decision: LaneDecision) -> str:
    """Return what was found in a lane besides batch."""
    parts = [
        f"### Lane {decision.name}: {decision.outcome}, so {'' if decision.outcome == 'pass' else 'not '}offered",
        f"{decision.n_prompts} prompts, {decision.n_utterances} utterances, seeds "
        f"{', '.join(map(str, decision.seeds))}; options `{decision.settings_sha256[:12]}`, prompts "
        f"`{decision.prompts_sha256[:12]}`.",
        _reason_list(decision.reasons),
        *_part_tables(decision, rules="gate.lanes"),
    ]
    return "\n\n".join(part for part in parts if part)


def _reason_list(reasons: Sequence[Reason]) -> str:
    return "\n".join(f"- {_cell(reason.text)}" for reason in reasons[:MAX_ROWS]) + _more(len(reasons))


def _part_tables(decision: PartDecision, *, rules: str) -> list[str]:
    return [
        _threshold_table(decision.thresholds) or f"Nothing was checked, because {rules} has no rules for it.",
        _comparison_table(decision.comparisons),
        _failure_table(decision),
        _prompt_table(decision),
    ]


def _failure_table(decision: Decision | PartDecision) -> str:
    of_champion = decision.champion_failures
    names = sorted(decision.failures.keys() | (of_champion or {}).keys())
    rows = [
        (name, decision.failures.get(name, 0), "-" if of_champion is None else of_champion.get(name, 0))
        for name in names
    ]
    return _table(("failure of speech", "candidate", "champion"), rows)


def _prompt_table(decision: Decision | PartDecision) -> str:
    """Return the worst prompts, folded so that the reasons stay in sight."""
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


def _requirement(check: ThresholdCheck) -> str:
    return f"{check.direction.replace('_', ' ')} {check.threshold:.4f}"


def _yes_or_no(met: bool) -> str:
    return "yes" if met else "**no**"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, or nothing without rows. Beyond MAX_ROWS it gives the number of the others."""
    if not rows:
        return ""
    lines = [titles, ["---"] * len(titles), *rows[:MAX_ROWS]]
    return "\n".join(f"| {' | '.join(_cell(str(cell)) for cell in line)} |" for line in lines) + _more(len(rows))


def _more(n_rows: int) -> str:
    return f"\n\nand {n_rows - MAX_ROWS} more" if n_rows > MAX_ROWS else ""


def _cell(text: str) -> str:
    """Return text that can neither leave its Markdown cell or line, nor be taken for markup."""
    text = " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
