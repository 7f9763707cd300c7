"""What the page shows. Equal scores, verdict and audio give equal bytes, so no dates, timings or paths are in it."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from metrics.normalize import error_unit
from metrics.scores import Scorecard, UtteranceScore
from registry.report.comparison import PromptPair, compare_words, prompt_pairs
from registry.report.distributions import distributions
from registry.report.figures import (
    FIGURES,
    categories,
    failures,
    key_figures,
    lanes,
    languages,
    percent,
    show_figure,
    sound_figures,
)
from registry.report.heat_maps import PairRow, heat_maps, is_interpolated
from registry.report.media import embed_sounds, read_audio, spectrogram_base64
from registry.report.second_opinions import second_opinions

HERE = Path(__file__).parent
# A registry.verdicts.store.SignedVerdict. It is not imported: evaluate, which renders without one, would become stale
# with every change of the gate's code.
SignedVerdict = Any
Verdict = Any


@dataclass(frozen=True)
class ScoredVersion:
    """A version of a voice with its scores and, where it can be had, its audio."""

    scorecard: Scorecard
    folder: Path | None  # the score folder with the rows' audio, None if it could not be had
    lineage: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""  # why there is no folder


class AudioRow(NamedTuple):
    """One row of a scorecard as the page shows it: an utterance or a recording, with its audio."""

    who: str  # voice, champion or real
    scored: ScoredVersion
    row: UtteranceScore

    @property
    def key(self) -> tuple[Path, str] | None:
        """Return the score folder and the name of the audio file, None if there is none."""
        return (self.scored.folder, self.row.audio) if self.scored.folder and self.row.audio else None


def render_report(
    candidate: ScoredVersion,
    champion: ScoredVersion | None = None,
    *,
    signed: SignedVerdict | None = None,
    pairs: Sequence[PairRow] = (),
    rule: str = "",
) -> str:
    """Return the page as HTML.

    Args:
        candidate: The version that the page is about.
        champion: What it was compared with, None for a first release and before the gate.
        signed: The verdict, None before the gate.
        pairs: The checkpoint pairs, see heat_maps.py.
        rule: How the pair was chosen, in one sentence.

    Raises:
        ValueError: A row names audio that is missing, broken or outside its folder.
    """
    card, other = candidate.scorecard, champion.scorecard if champion else None
    prompts = prompt_pairs(card, other)
    numbers = {prompt.prompt_id: n for n, prompt in enumerate(prompts, start=1)}
    utterances = [_utterances_of(prompt, candidate, champion) for prompt in prompts]
    resynthesis = _choose_resynthesis(candidate, champion)
    audible = [row for row in (*_flatten([r for _, r in resynthesis]), *_first_seeds_first(utterances)) if row.key]
    sounds = embed_sounds([row.key for row in audible], sum(row.row.seconds for row in audible))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    real = card.held_out
    return _template().render(
        style=style,
        script=script,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        candidate=candidate,
        champion=champion,
        card=card,
        other=other,
        signed=signed,
        verdict=signed.verdict if signed else None,
        **_checks(signed.verdict if signed else None),
        headline=headline(card.voice, signed.verdict if signed else None),
        figures=key_figures(card, other),
        failures=failures(card, other, numbers),
        failure_names=sorted({name for prompt in prompts for name in prompt.failures}),
        categories=categories(card, other),
        **_parts(card, other, signed),
        distributions=distributions({"voice": card.rows, "champion": other.rows if other else (), "real": real}),
        sound_figures=sound_figures(card, other),
        second=second_opinions(card, numbers),
        **_describe_pairs(pairs, card),
        rule=rule,
        titles=FIGURES,
        error_unit=error_unit(card.language),
        resynthesis=[(place, _add_spectrograms(rows)) for place, rows in resynthesis],
        prompts=list(zip(prompts, utterances, strict=True)),
        sound=lambda row: sounds.get(row.key, ""),
        n_utterances=sum(map(len, utterances)),
        n_left_out=sum(row.key not in sounds for row in audible),
        recordings=sorted(real, key=lambda row: (-row.word_errors / row.n_words, row.prompt_id)),
    )


def headline(voice: str, verdict: Verdict | None) -> str:
    """Return the decision in one sentence."""
    if verdict is None:
        return f"The voice “{voice}” has scores but no verdict yet"
    name = f"Version {verdict.candidate.version} of the voice “{voice}”"
    aim = f"replace version {verdict.champion.version}" if verdict.champion else "be released"
    return {
        "pass": f"{name} may {aim}",
        "fail": f"{name} must not {aim}",
        "inconclusive": f"{name} may not {aim} yet: there is not enough evidence",
    }[verdict.outcome]


def unmeasured_report(voice: str, message: str) -> str:
    """Return the page for a voice without a verdict, so that CI does not keep the page of an earlier decision."""
    voice, message = html.escape(voice), html.escape(message)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{voice}: could not be measured</title>\n'
        f"<h1>The voice “{voice}” could not be measured</h1>\n<p>{message}</p>\n</html>\n"
    )


def _checks(verdict: Verdict | None) -> dict[str, list[Any]]:
    """Return every threshold and comparison that was checked: of the voice itself and of its parts."""
    if verdict is None:
        return {"threshold_checks": [], "comparisons": []}
    decision = verdict.decision
    others = (*decision.other_languages, *decision.presets, *decision.lanes)
    return {
        "threshold_checks": [
            *decision.thresholds,
            *decision.slice_thresholds,
            *(check for part in others for check in part.thresholds),
        ],
        "comparisons": [*decision.comparisons, *(one for part in others for one in part.comparisons)],
    }


def _parts(card: Scorecard, other: Scorecard | None, signed: SignedVerdict | None) -> dict[str, Any]:
    """Return what the page shows of further languages and lanes."""
    decision = signed.verdict.decision if signed else None
    return {"languages": languages(card, other), "lanes": lanes(card, other, decision)}


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "figure": show_figure,
        "clock": lambda seconds: f"{seconds:.1f} s",
        "words": lambda name: name.replace("_", " "),
        "heard": lambda row: compare_words(row.reference, row.hypothesis),
        "heard_second": lambda row: compare_words(row.reference, row.second_hypothesis),
    }
    return environment.get_template("page.html")


def _describe_pairs(pairs: Sequence[PairRow], card: Scorecard) -> dict[str, Any]:
    """Return what the page shows of the checkpoint pairs."""
    maps = heat_maps(pairs, card.pair)
    cells = [cell for heat_map in maps for row in heat_map["rows"] for cell in row["cells"] if cell["there"]]
    return {
        "heat_maps": maps,
        "interpolations": [row for row in pairs if is_interpolated(row)],
        "unmeasured_pair": any(cell["value"] is None for cell in cells),
        "in_rounds": any(cell["n_prompts"] for cell in cells),
    }


def _utterances_of(prompt: PromptPair, candidate: ScoredVersion, champion: ScoredVersion | None) -> list[AudioRow]:
    """Return the utterances of a prompt, candidate and champion in turn, seed by seed."""
    found = []
    for row, champion_row in zip_longest(prompt.candidate, prompt.champion):
        found += [AudioRow("voice", candidate, row)] if row else []
        found += [AudioRow("champion", champion, champion_row)] if champion_row and champion else []
    return found


def _flatten(groups: Sequence[Sequence[AudioRow]]) -> list[AudioRow]:
    return [row for group in groups for row in group]


def _first_seeds_first(utterances: Sequence[Sequence[AudioRow]]) -> list[AudioRow]:
    """Order by seed, so that each prompt keeps a sound where not all of them fit into the page."""
    rows = _flatten(utterances)
    seeds = sorted({row.row.seed for row in rows})
    return sorted(rows, key=lambda row: seeds.index(row.row.seed))


def _choose_resynthesis(candidate: ScoredVersion, champion: ScoredVersion | None) -> list[tuple[str, list[AudioRow]]]:
    """Return the best, middle and worst sentence of the resynthesis, each as recorded and as spoken."""
    if not candidate.folder:
        return []
    recordings = {row.prompt_id: row for row in candidate.scorecard.held_out if row.audio}
    champion_rows = {
        (row.prompt_id, row.reference): row for row in (champion.scorecard.resynthesis if champion else ())
    }
    rows = [row for row in candidate.scorecard.resynthesis if row.audio and row.prompt_id in recordings]
    rows.sort(key=lambda row: (row.word_errors / row.n_words, row.prompt_id))
    if len(rows) > 2:
        places = {0: "best", (len(rows) - 1) // 2: "middle", len(rows) - 1: "worst"}
    else:
        places = dict(zip(range(len(rows)), ("best", "worst"), strict=False))
    chosen = []
    for index, place in places.items():
        row = rows[index]
        group = [AudioRow("real", candidate, recordings[row.prompt_id]), AudioRow("voice", candidate, row)]
        champion_row = champion_rows.get((row.prompt_id, row.reference))
        if champion and champion.folder and champion_row and champion_row.audio:
            group.append(AudioRow("champion", champion, champion_row))
        chosen.append((place, group))
    return chosen


def _add_spectrograms(rows: Sequence[AudioRow]) -> list[tuple[AudioRow, str, float]]:
    """Return each row with its spectrogram and its share of the longest one's length."""
    longest = max(row.row.seconds for row in rows)
    return [(row, spectrogram_base64(*read_audio(*row.key)), row.row.seconds / longest) for row in rows]
