"""The report of an evaluation: one HTML page that explains itself, plays every utterance and needs no other file.

Equal scores and audio give equal bytes: no dates, no timings, no paths of this machine.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np

from gpt_sovits.audio import AudioError, load_audio, to_mono
from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, pooled
from metrics.wer import word_operations
from stages.report_media import COMPACT, FINE, mp3_address, spectrogram_address

TEMPLATE = Path(__file__).with_name("report_template.html")
N_WORST_PICTURES, N_BEST_PICTURES = 6, 2
MAX_AUDIO_CHARS = 11_000_000  # of base64: the page stays under 15 MB, which browsers open and mail servers carry
FINE_SECONDS = 900.0  # longer audio than this in all is kept compact

# figure -> (what a newcomer calls it, its technical name, what it means)
FIGURES = {
    "wer": ("Word mistakes", "WER", "Wrong, missing and extra words, for each word that was to be said."),
    "cer": ("Letter mistakes", "CER", "The same by letters: a word that is nearly right counts less."),
    "similarity": (
        "Likeness",
        "cosine similarity",
        "How close the voice is to the speaker's: 1 is the same, 0 unrelated.",
    ),
    "failed_share": ("Failed utterances", "failed share", "Utterances with at least one failure of speech."),
}
FAILURES = {
    "empty": "Nothing was heard.",
    "cut_off": "The end of the sentence is missing.",
    "swallowed_clause": "Several words in a row are missing.",
    "repeated_clause": "Several words in a row are said twice.",
    "runaway": "Far longer than the text needs.",
    "leaked_prompt": "Words of the reference clip are in the speech.",
}


class Word(NamedTuple):
    """A piece of the comparison of what was to be said with what was heard."""

    kind: str  # equal, substitute, delete, insert
    said: str  # words of the reference
    heard: str  # words of the hypothesis


def render_report(
    scorecard: Scorecard,
    pairs: Sequence[Mapping[str, float | None]],
    audio_dir: Path,
    rule: str = "",
) -> str:
    """The page.

    pairs:     one mapping a checkpoint pair: gpt_epoch, sovits_epoch, its pooled figures on the selection prompts
    audio_dir: the folder `audio` inside the score folder; rows name their files relative to the score folder
    rule:      how the pair was chosen, in one sentence
    Raises ValueError where a row names audio that is missing, broken or outside audio_dir.
    """
    rows = sorted(scorecard.rows, key=_worst_first)
    sounds, pictures = _media(rows, audio_dir)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "figure": show_figure, "clock": lambda seconds: f"{seconds:.1f} s"}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        card=scorecard,
        figures=_figures(scorecard),
        failures=_failures(rows, scorecard.held_out),
        n_failed=sum(bool(row.failures) for row in rows),
        n_imperfect=sum(bool(row.failures or row.word_errors) for row in rows),
        n_prompts=len({row.prompt_id for row in rows}),
        categories=_categories(rows),
        heat_maps=_heat_maps(pairs, scorecard),
        unmeasured_pair=any(not _is_known(pair[name]) for pair in pairs for name in FIGURES),
        rule=rule,
        utterances=[
            {
                "number": n,
                "row": row,
                "words": compare_words(row.reference, row.hypothesis),
                "sound": sound,
                "picture": picture,
            }
            for n, (row, sound, picture) in enumerate(zip(rows, sounds, pictures, strict=True), start=1)
        ],
        recordings=[
            {"row": row, "words": compare_words(row.reference, row.hypothesis)}
            for row in sorted(scorecard.held_out, key=_worst_first)
        ],
    )


def _worst_first(row: UtteranceScore) -> tuple[float | str, ...]:
    """Sort key: failed before not failed, then by WER, then by likeness, then by name."""
    similarity = -2.0 if row.similarity is None else row.similarity
    return (-min(1, len(row.failures)), -row.word_errors / row.n_words, similarity, row.prompt_id, row.seed)


def compare_words(reference: str, hypothesis: str) -> list[Word]:
    """Equal, deleted and inserted runs and single substituted words, in the order in which the sentence is said."""
    words = []
    for kind, run in itertools.groupby(word_operations(reference, hypothesis), key=lambda operation: operation.op):
        pairs = [(operation.reference, operation.hypothesis) for operation in run]
        if kind == "substitute":  # word by word, so that each stands beside its own mistake
            words += [Word(kind, said, heard) for said, heard in pairs]
        else:
            words.append(Word(kind, " ".join(said for said, _ in pairs).strip(), " ".join(h for _, h in pairs).strip()))
    return words


def _media(rows: Sequence[UtteranceScore], audio_dir: Path) -> tuple[list[str], list[str]]:
    """`data:` addresses of every row's sound and picture; empty where there is none or the page would grow too big."""
    quality = FINE if sum(row.seconds for row in rows) <= FINE_SECONDS else COMPACT
    best = range(max(0, len(rows) - N_BEST_PICTURES), len(rows))
    pictured = {*range(min(len(rows), N_WORST_PICTURES)), *best}
    sounds, pictures = [""] * len(rows), [""] * len(rows)
    room = MAX_AUDIO_CHARS
    # those with a picture first: they get their sound in any case, then the worst that still fit
    for index in sorted(range(len(rows)), key=lambda index: index not in pictured):
        if not rows[index].audio:
            continue
        waveform, sample_rate = _read(rows[index].audio, audio_dir)
        if index in pictured:
            pictures[index] = spectrogram_address(waveform, sample_rate)
        if room > 0:
            sound = mp3_address(waveform, sample_rate, quality)
            room -= len(sound)
            sounds[index] = sound if room >= 0 else ""
    return sounds, pictures


def _read(name: str, audio_dir: Path) -> tuple[np.ndarray, int]:
    path = audio_dir.parent / name
    if not path.resolve().is_relative_to(audio_dir.resolve()):
        raise ValueError(f"a score row names the audio {name!r}, which is not in its folder `{audio_dir.name}`")
    try:
        samples, sample_rate = load_audio(path)
    except AudioError as error:
        raise ValueError(f"audio of a score row: {error}; run the evaluate stage again") from error
    return to_mono(samples), sample_rate


def _figures(scorecard: Scorecard) -> list[dict]:
    """The pooled figures beside those of the real recordings, with lengths of their bars as shares of one scale."""
    voice, real = scorecard.figures(), pooled(scorecard.held_out)
    figures = []
    for name, (title, technical, meaning) in FIGURES.items():
        known = [value for value in (voice[name], real[name]) if math.isfinite(value)]
        scale = max([1.0 if name == "similarity" else 0.05, *(1.1 * value for value in known)])
        figures.append(
            {
                "name": name,
                "title": title,
                "technical": technical,
                "meaning": meaning,
                "better": "smaller" if SMALLER_IS_BETTER[name] else "larger",
                "voice": voice[name],
                "real": real[name],
                "voice_share": _share(voice[name], scale),
                "real_share": _share(real[name], scale),
                "note": _unmeasured(scorecard.rows) if name == "similarity" else "",
            }
        )
    return figures


def _unmeasured(rows: Sequence[UtteranceScore]) -> str:
    """Why the likeness of all has no value, and what that of the others is; empty where every row has one."""
    known = [row.similarity for row in rows if row.similarity is not None]
    n_unknown = len(rows) - len(known)
    if not n_unknown:
        return ""
    others = f"; the mean of the other {len(known)} is {math.fsum(known) / len(known):.2f}" if known else ""
    return f"Could not be measured in {n_unknown} of {len(rows)}, so there is no figure for all{others}."


def _share(value: float, scale: float) -> float:
    return min(1.0, max(0.0, value / scale)) if math.isfinite(value) else 0.0


def _failures(rows: Sequence[UtteranceScore], held_out: Sequence[UtteranceScore]) -> list[dict]:
    """Every failure that happened, the most frequent first, with the numbers of its utterances in the table."""
    real = Counter(name for row in held_out for name in row.failures)
    where: dict[str, list[int]] = {name: [] for name in real}
    for number, row in enumerate(rows, start=1):
        for name in row.failures:
            where.setdefault(name, []).append(number)
    return [
        {"name": name, "meaning": FAILURES.get(name, ""), "numbers": where[name], "n_real": real[name]}
        for name in sorted(where, key=lambda name: (-len(where[name]), name))
    ]


def _categories(rows: Sequence[UtteranceScore]) -> list[dict]:
    """Pooled figures of each kind of prompt, the worst WER first."""
    kinds = {row.category: [other for other in rows if other.category == row.category] for row in rows}
    found = [{"name": name, "n": len(some), "figures": pooled(some)} for name, some in kinds.items()]
    scale = max((kind["figures"]["wer"] for kind in found), default=0.0) or 1.0
    for kind in found:
        kind["share"] = kind["figures"]["wer"] / scale
    return sorted(found, key=lambda kind: (-kind["figures"]["wer"], kind["name"]))


def _heat_maps(pairs: Sequence[Mapping[str, float | None]], scorecard: Scorecard) -> list[dict]:
    """One map a figure: GPT epochs down, SoVITS epochs across."""
    by_epochs = {(int(pair["gpt_epoch"]), int(pair["sovits_epoch"])): pair for pair in pairs}
    gpt_epochs, sovits_epochs = (sorted({key[side] for key in by_epochs}) for side in (0, 1))
    chosen = (scorecard.pair.gpt_epoch, scorecard.pair.sovits_epoch)
    maps = []
    for name in FIGURES if pairs else ():
        values = {key: pair[name] if _is_known(pair[name]) else None for key, pair in by_epochs.items()}
        heats = _heats(values, SMALLER_IS_BETTER[name])
        rows = [
            {"gpt_epoch": gpt, "cells": [_cell((gpt, sovits), values, heats, chosen) for sovits in sovits_epochs]}
            for gpt in gpt_epochs
        ]
        title, technical, _ = FIGURES[name]
        maps.append(
            {"name": name, "title": title, "technical": technical, "sovits_epochs": sovits_epochs, "rows": rows}
        )
    return maps


def _heats(values: Mapping[tuple[int, int], float | None], smaller_is_better: bool) -> dict[tuple[int, int], float]:
    """From 0 for the best value to 1 for the worst; what could not be measured is the worst."""
    known = [value for value in values.values() if _is_known(value)]
    span = max(known, default=0.0) - min(known, default=0.0)
    best = min(known, default=0.0) if smaller_is_better else max(known, default=0.0)
    return {
        key: (abs(value - best) / span if span else 0.0) if _is_known(value) else 1.0 for key, value in values.items()
    }


def _cell(key: tuple[int, int], values: Mapping, heats: Mapping, chosen: tuple[int, int]) -> dict:
    return {
        "there": key in values,
        "value": values.get(key),
        "heat": heats.get(key, 0.0),
        "chosen": key == chosen,
    }


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent."""
    return f"{100 * value:.{digits}f}%" if _is_known(value) else "not measured"


def show_figure(value: float | None, name: str) -> str:
    """A figure in the form in which people read it: likeness as a cosine, the others as percent."""
    show: Callable[[float], str] = "{:.2f}".format if name == "similarity" else percent
    return show(value) if _is_known(value) else "not measured"
