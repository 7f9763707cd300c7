"""What the page shows. Equal scores, verdict and audio give equal bytes: no dates, timings or paths of a machine."""

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

from metrics.scores import Scorecard, UtteranceScore
from registry.report.comparison import PromptPair, compare_words, prompt_pairs
from registry.report.distributions import distributions
from registry.report.figures import FIGURES, categories, failures, key_figures, percent, show_figure, sound_figures
from registry.report.heat_maps import PairRow, heat_maps, is_drawn_back
from registry.report.media import embed_sounds, read_audio, spectrogram_base64

HERE = Path(__file__).parent
# A registry.verdicts.store.SignedVerdict. It is not imported: evaluate, which renders without one, would become stale
# with every change of the gate's code.
SignedVerdict = Any
Verdict = Any


@dataclass(frozen=True)
class Scored:
    """A version of a voice: its scorecard, the folder in which its rows' audio lies, and where it comes from."""

    scorecard: Scorecard
    folder: Path | None  # the score folder; None where its audio could not be had
    lineage: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""  # why there is no folder


class Take(NamedTuple):
    """One utterance on the page."""

    who: str  # voice, champion or real
    scored: Scored
    row: UtteranceScore

    @property
    def key(self) -> tuple[Path, str] | None:
        """Where its sound is; None where there is none."""
        return (self.scored.folder, self.row.audio) if self.scored.folder and self.row.audio else None


def render_report(
    candidate: Scored,
    champion: Scored | None = None,
    signed: SignedVerdict | None = None,
    pairs: Sequence[PairRow] = (),
    rule: str = "",
) -> str:
    """The page.

    champion: what the candidate was compared with; None for a first release and before the gate
    signed:   the verdict; None before the gate
    pairs:    the checkpoint pairs, see heat_maps.py
    rule:     how the pair was chosen, in one sentence
    Raises ValueError where a row names audio that is missing, broken or outside its folder.
    """
    card, other = candidate.scorecard, champion.scorecard if champion else None
    prompts = prompt_pairs(card, other)
    takes = [_takes(prompt, candidate, champion) for prompt in prompts]
    resynthesis = _twins(candidate, champion)
    wanted = [*(take for _, some in resynthesis for take in some), *_first_takes_first(takes)]
    sounds = embed_sounds(
        [take.key for take in wanted if take.key], sum(take.row.seconds for take in wanted if take.key)
    )
    maps = heat_maps(pairs, card.pair)
    cells = [cell for one in maps for row in one["rows"] for cell in row["cells"] if cell["there"]]
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
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
        limits=_limits(signed.verdict) if signed else (),
        headline=headline(card.voice, signed.verdict if signed else None),
        figures=key_figures(card, other),
        failures=failures(card, other, {prompt.prompt_id: n for n, prompt in enumerate(prompts, start=1)}),
        failure_names=sorted({name for prompt in prompts for name in prompt.failures}),
        categories=categories(card, other),
        distributions=distributions(
            {"voice": card.rows, "champion": other.rows if other else (), "real": card.held_out}
        ),
        sound_figures=sound_figures(card, other),
        heat_maps=maps,
        drawn_back=[row for row in pairs if is_drawn_back(row)],
        unmeasured_pair=any(cell["value"] is None for cell in cells),
        in_rounds=any(cell["n_prompts"] for cell in cells),
        rule=rule,
        titles=FIGURES,
        resynthesis=[(face, _with_pictures(some)) for face, some in resynthesis],
        prompts=list(zip(prompts, takes, strict=True)),
        sound=lambda take: sounds.get(take.key, ""),
        n_best_of=sum(map(len, takes)),
        n_left_out=sum(take.key is not None and take.key not in sounds for take in wanted),
        recordings=sorted(card.held_out, key=lambda row: (-row.word_errors / row.n_words, row.prompt_id)),
    )


def headline(voice: str, verdict: Verdict | None) -> str:
    """The decision in one sentence."""
    if verdict is None:
        return f"The voice “{voice}” was measured and is not judged yet"
    name = f"Version {verdict.candidate.version} of the voice “{voice}”"
    what = f"replace version {verdict.champion.version}" if verdict.champion else "be released"
    return {
        "pass": f"{name} may {what}",
        "fail": f"{name} must not {what}",
        "inconclusive": f"{name} may not {what} yet: the evidence is not enough",
    }[verdict.outcome]


def unmeasured_report(voice: str, message: str) -> str:
    """The page where no verdict could be given: what CI keeps must not be an earlier decision."""
    voice, message = html.escape(voice), html.escape(message)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{voice}: could not be measured</title>\n'
        f"<h1>The voice “{voice}” could not be measured</h1>\n<p>{message}</p>\n</html>\n"
    )


def _limits(verdict: Verdict) -> list[Any]:
    """Every check of a threshold, those on all prompts before those on slices."""
    return [*verdict.decision.thresholds, *verdict.decision.slice_thresholds]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "figure": show_figure,
        "clock": lambda seconds: f"{seconds:.1f} s",
        "words": lambda name: name.replace("_", " "),
        "heard": lambda row: compare_words(row.reference, row.hypothesis),
    }
    return environment.from_string((HERE / "page.html").read_text(encoding="utf-8"))


def _takes(prompt: PromptPair, candidate: Scored, champion: Scored | None) -> list[Take]:
    """Candidate and champion in turn, seed by seed."""
    found = []
    for ours, theirs in zip_longest(prompt.candidate, prompt.champion):
        found += [Take("voice", candidate, ours)] if ours else []
        found += [Take("champion", champion, theirs)] if theirs and champion else []
    return found


def _first_takes_first(takes: Sequence[Sequence[Take]]) -> list[Take]:
    """The first seed of every prompt, then the second: where not all sounds fit, each prompt has one."""
    found = [take for some in takes for take in some]
    seeds = sorted({take.row.seed for take in found})
    return sorted(found, key=lambda take: seeds.index(take.row.seed))


def _twins(candidate: Scored, champion: Scored | None) -> list[tuple[str, list[Take]]]:
    """The best, the middle and the worst sentence that the speaker recorded too, each as recorded and as spoken."""
    real = {row.prompt_id: row for row in candidate.scorecard.held_out if row.audio}
    theirs = {(row.prompt_id, row.reference): row for row in (champion.scorecard.resynthesis if champion else ())}
    both = (
        [row for row in candidate.scorecard.resynthesis if row.audio and row.prompt_id in real]
        if candidate.folder
        else []
    )
    both.sort(key=lambda row: (row.word_errors / row.n_words, row.prompt_id))
    places = {0: "best", len(both) - 1: "worst", (len(both) - 1) // 2: "middle"} if len(both) > 2 else {}
    places = places or dict(zip(range(len(both)), ("best", "worst"), strict=False))
    found = []
    for place in sorted(places):
        resynthesis = both[place]
        some = [Take("real", candidate, real[resynthesis.prompt_id]), Take("voice", candidate, resynthesis)]
        other = theirs.get((resynthesis.prompt_id, resynthesis.reference))
        some += [Take("champion", champion, other)] if champion and champion.folder and other and other.audio else []
        found.append((places[place], some))
    return found


def _with_pictures(takes: Sequence[Take]) -> list[tuple[Take, str, float]]:
    """Each take with its spectrogram and its share of the longest one's length."""
    longest = max(take.row.seconds for take in takes)
    return [(take, spectrogram_base64(*read_audio(*take.key)), take.row.seconds / longest) for take in takes]
