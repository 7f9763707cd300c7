"""Which speech the recipe trains on, and which it keeps for evaluation. One corpus on disk per name.

    kokoro       corpora of starter.kokoro: natural speakers, mixtures of four styles
    flite        corpora of starter.corpus: robots with exact labels
    librispeech  one corpus of starter.speech: 199 people, one clip each

The last utterances of every synthetic voice are texts that all of them read. They are held out of all training.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from starter import kokoro
from starter.settings import load_settings, stage_folder
from starter.store import Utterance, read_corpus

PEOPLE, OTHER_PEOPLE, LJ = "librispeech", "librispeech_others", "lj"
HELD_OUT_PERSON = "198"  # of LibriSpeech, the longest clip
STRANGER = kokoro.HELD_OUT
KINDS = ("kokoro", "flite", PEOPLE)
HELD_OUT_SETS = ("known", STRANGER, "rms", PEOPLE, LJ)  # keys of held_out_sets()


def flite_voices() -> list[str]:
    """Return the names of flite's voices that are trained on."""
    corpus = load_settings().corpus
    return [name for name in corpus.voices if name != corpus.stranger]


def kokoro_voices() -> list[str]:
    """Return the names of Kokoro's speakers that are trained on."""
    return [speaker.name for speaker in kokoro.speakers()]


def synthetic_voices() -> list[str]:
    """Return the names of all synthetic voices that are trained on."""
    return [*kokoro_voices(), *flite_voices()]


def kind_of(voice: str) -> str:
    """Return the kind of a corpus that is trained on, one of KINDS."""
    if voice == PEOPLE:
        return PEOPLE
    return "flite" if voice in load_settings().corpus.voices else "kokoro"


def n_common(voice: str) -> int:
    """Return how many utterances at the end of a synthetic voice's corpus are held out."""
    return load_settings().corpus.n_common if kind_of(voice) == "flite" else kokoro.N_COMMON


def read_voice(voice: str) -> list[Utterance]:
    """Return the utterances of a corpus."""
    return read_corpus(stage_folder("corpus") / voice)


def read_trained_on(voice: str) -> list[Utterance]:
    """Return the utterances of a corpus that may be trained on, with the labels that their makers gave."""
    utterances = read_voice(voice)
    return utterances if voice == PEOPLE else utterances[: -n_common(voice)]


def training_voices() -> dict[str, list[Utterance]]:
    """Return the utterances that may be trained on, by corpus, with the labels that their makers gave."""
    return {name: read_trained_on(name) for name in (*synthetic_voices(), PEOPLE)}


def held_out_names() -> set[str]:
    """Return the names of the synthetic voices' utterances that are held out of all training."""
    return {one.name for voice in synthetic_voices() for one in read_voice(voice)[-n_common(voice) :]}


def held_out_sets(n: int = 12) -> dict[str, list[Utterance]]:
    """Return n utterances per set that no stage trains on.

    The sets are Kokoro's known speakers, Kokoro's held-out style, flite's stranger, other people and LJSpeech.
    """
    known = [one for name in kokoro_voices()[:: max(1, len(kokoro_voices()) // n)] for one in read_voice(name)[-1:]]
    flite, stranger = (read_voice(name)[-n:] for name in (load_settings().corpus.stranger, STRANGER))
    sets = (known[:n], stranger, flite, read_voice(OTHER_PEOPLE)[:n], read_voice(LJ)[:n])
    return dict(zip(HELD_OUT_SETS, sets, strict=True))


def labels_file(corpus: str) -> Path:
    """Return the file of the final labels of a corpus, which stage content_encoder writes."""
    return stage_folder("content_encoder") / "labels" / f"{corpus}.jsonl"


def with_labels(corpus: str, utterances: Iterable[Utterance]) -> list[Utterance]:
    """Return those utterances of a corpus that the final aligner could label, with its labels."""
    rows = map(json.loads, labels_file(corpus).read_text(encoding="utf-8").splitlines())
    phones = {row["name"]: [(phone, end) for phone, end in row["phones"]] for row in rows}
    return [replace(one, phones=phones[one.name]) for one in utterances if one.name in phones]
