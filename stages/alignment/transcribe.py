"""What runs in align's worker processes: what an ASR hears in a clip, and when each word of a text is spoken.

A module of its own, because functions of a program's main module are copied into the workers without their caches.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from gpt_sovits.text.frontend import phonemize, split_sentences
from metrics.judges.align import AlignmentError, force_align
from metrics.judges.asr import load_transcriber
from stages.alignment.matching import WordTime
from stages.profiles import judge_weights

WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")
load_transcriber_once = functools.lru_cache(maxsize=1)(load_transcriber)


def hear(path: Path, asr: str, language: str) -> str:
    """What the ASR of that name hears in a clip of that language; empty where it hears no word."""
    samples, sample_rate = load_audio(path)
    transcriber = load_transcriber_once(asr, judge_weights(asr))
    return transcriber.transcribe(to_mono(samples), sample_rate, language).strip()


def spoken_words(text: str, language: str) -> list[str]:
    """The words that the models will speak for a text: numbers and abbreviations written out.

    Not the words that errors are counted on, in which "five" is 5. None for a text of marks alone. Raises ValueError
    where the text cannot be spoken.
    """
    sentences = [sentence for sentence in split_sentences(text) if any(char.isalnum() for char in sentence)]
    return [word for sentence in sentences for word in WORD.findall(phonemize(sentence, language).normalized_text)]


def word_times(paths: Sequence[Path], words: Sequence[str]) -> list[WordTime]:
    """(word, start, end) of spoken words, in seconds within the joined clips; none where they do not fit the audio."""
    clips = [load_audio(path) for path in paths]
    waveform = np.concatenate([to_mono(samples) for samples, _ in clips])
    try:
        aligned = force_align(waveform, clips[0][1], words, pronounce)
    except AlignmentError:
        return []
    return [(word.word, word.start, word.end) for word in aligned]
