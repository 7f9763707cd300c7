"""What evaluate writes: tables, metrics for DVC and the report, and timings outside the outputs of the stage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metrics.failures import unmeasurable_failures
from metrics.normalize import error_unit
from metrics.scores import Scorecard, pooled
from metrics.second_opinions import MAX_DISAGREEMENT, disagreement, second_opinion
from registry.files import file_sha256
from registry.report.page import ScoredVersion, render_report
from stages.evaluation.selection import RULE
from stages.evaluation.trials import BASE_EPOCHS, CheckpointChoice
from stages.evaluation.utterances import UtteranceTiming
from stages.execution.outputs import write_atomically
from stages.tables import CheckpointPairRow, csv_text, write_json, write_table

TIMINGS = Path(".cache/timings")


def write_scores(out_dir: Path, scorecard: Scorecard, pair_rows: Sequence[CheckpointPairRow]) -> None:
    """Write scores.jsonl, scorecard.json, pairs.csv, metrics.json and report.html, and print the figures.

    Args:
        out_dir: the score folder, which already holds the audio.
        scorecard: the scores of the chosen pair.
        pair_rows: the table of pairs, the base models first.
    """
    others, presets, lanes = scorecard.other_languages, scorecard.presets, scorecard.lanes
    write_table(out_dir / "scores.jsonl", [*scorecard.rows, *(row for part in others for row in part.rows)])
    (out_dir / "scorecard.json").write_text(scorecard.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (out_dir / "pairs.csv").write_text(csv_text(row.model_dump() for row in pair_rows), encoding="utf-8")
    synthesis, recordings = scorecard.figures(), pooled(scorecard.held_out)
    write_json(
        out_dir / "metrics.json",
        {
            "synthesis": _without_nan(synthesis),
            "other_languages": {part.language: _without_nan(pooled(part.rows)) for part in others},
            "presets": {part.name: _without_nan(pooled(part.rows)) for part in presets},
            "lanes": {part.name: _without_nan(pooled(part.rows)) for part in lanes},
            "held_out": _without_nan(recordings),
            "other_speakers": {"similarity": scorecard.similarity_floor.similarity},
            "second_opinions": {
                name: _without_nan(second_opinion(rows)._asdict())
                for name, rows in (("synthesis", scorecard.rows), ("held_out", scorecard.held_out))
            },
            "pair": scorecard.pair.model_dump(include={"gpt_epoch", "sovits_epoch", "interpolation_weight"}),
            "before_adaptation": pair_rows[0].model_dump(
                include={"wer", "cer", "similarity", "failed_share", "n_prompts"}
            ),
        },
    )
    report = render_report(ScoredVersion(scorecard, out_dir), pairs=[row.model_dump() for row in pair_rows], rule=RULE)
    (out_dir / "report.html").write_text(report, encoding="utf-8")
    in_others = [(f"synthesis in {part.language}", pooled(part.rows)) for part in others]
    in_others += [(f"synthesis with preset {part.name}", pooled(part.rows)) for part in presets]
    in_others += [(f"synthesis in lane {part.name}", pooled(part.rows)) for part in lanes]
    for name, figures in (("synthesis", synthesis), *in_others, ("held-out recordings", recordings)):
        print(f"evaluate: {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    if unmeasurable := unmeasurable_failures(scorecard.judges.asr):
        print(f"evaluate: {', '.join(unmeasurable)}: not measurable with judge {scorecard.judges.asr}", flush=True)
    _print_second_opinions(scorecard)


def _print_second_opinions(scorecard: Scorecard) -> None:
    judges, opinion = scorecard.second_judges, second_opinion(scorecard.rows)
    if judges.note:
        print(f"evaluate: second opinions: {judges.note}", flush=True)
    if np.isfinite(opinion.second_wer):
        print(
            f"evaluate: second opinion: WER {opinion.second_wer:.3f} by {judges.asr}, {opinion.wer:.3f} by "
            f"{scorecard.judges.asr}, on {opinion.n} utterances",
            flush=True,
        )
    found, unit = disagreement(scorecard.rows, scorecard.held_out), error_unit(scorecard.language)
    if found.is_too_large:
        print(
            f"evaluate: warning: beyond their difference on the recordings, {judges.asr} and {scorecard.judges.asr} "
            f"differ by {found.excess:+.3f} errors per {unit} (more than {MAX_DISAGREEMENT}), most in "
            f"{', '.join(found.prompt_ids)}; listen to them",
            flush=True,
        )


def print_choice(choice: CheckpointChoice) -> None:
    """Print the table of pairs and the pair that was chosen."""
    for row in choice.rows:
        similarity = "not measurable" if row.similarity is None else f"{row.similarity:.3f}"
        print(
            f"evaluate: {_pair_name(row)}: WER {row.wer:.3f}, similarity {similarity}, failed {row.failed_share:.2f} "
            f"on {row.n_prompts} prompts",
            flush=True,
        )
    gpt_epoch, sovits_epoch = choice.epochs
    suffix = _weight_suffix(choice.interpolation_weight)
    print(f"evaluate: best pair is GPT epoch {gpt_epoch} with SoVITS epoch {sovits_epoch}{suffix}", flush=True)


def save_timings(voice: str, timings: Sequence[UtteranceTiming], scorecard: Path) -> None:
    """Save the real-time factor of synthesis. It differs from run to run, so it is not an output of the stage.

    Args:
        voice: name of the voice.
        timings: one row per utterance.
        scorecard: the scores of the same utterances. Their hash is kept, which tells register whose speed it is.
    """
    audio = sum(timing.seconds for timing in timings)
    rtf = sum(timing.synthesis_seconds for timing in timings) / audio if audio else float("nan")
    TIMINGS.mkdir(parents=True, exist_ok=True)
    sha256 = file_sha256(scorecard)
    content = {"scorecard_sha256": sha256, "rtf": rtf, "utterances": [timing._asdict() for timing in timings]}
    write_atomically(TIMINGS / f"{voice}.json", json.dumps(content))
    print(f"evaluate: synthesis took {rtf:.3f} of real time while the judges were running", flush=True)


def _pair_name(row: CheckpointPairRow) -> str:
    if (row.gpt_epoch, row.sovits_epoch) == BASE_EPOCHS:
        return "before adaptation"
    suffix = _weight_suffix(row.interpolation_weight)
    return f"GPT epoch {row.gpt_epoch}, SoVITS epoch {row.sovits_epoch}{suffix}"


def _weight_suffix(weight: float) -> str:
    return f", interpolation weight {weight:g}" if weight < 1 else ""


def _without_nan(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in figures.items()}
