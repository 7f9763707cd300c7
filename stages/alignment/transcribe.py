"""What runs in align's worker processes: the transcription of a clip, and the time of each word of a text.

This is a module of its own, because functions of a program's main module are copied into the workers without their
caches.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from gpt_sovits.text.frontend import phonemize, split_sentences
from metrics.audio import to_rate
from metrics.errors import AlignmentError
from metrics.forced_alignment import force_align
from metrics.judges.asr import load_transcriber
from metrics.judges.transcriber import Transcriber, Transcription
from stages.alignment.matching import WordTime
from stages.alignment.noise import SAMPLE_RATE, end_before_pauses, is_noisy, with_less_noise
from stages.profiles import judge_weights, weights_stamp

WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")
WITHOUT_PROBABILITIES = ("pocketsphinx",)  # judges that cannot align words
LEAST_PROBABLE = 1e-9  # of a word


@functools.lru_cache(maxsize=1)
def load_transcriber_once(asr: str, weights_dir: Path | None, stamp: tuple[tuple[str, int, int], ...]) -> Transcriber:
    """Load an ASR judge, once per process and state of its weights.

    Args:
        asr: name of the judge.
        weights_dir: see load_transcriber.
        stamp: state of its weights, see weights_stamp.
    """
    return load_transcriber(asr, weights_dir)


def loaded_judge(asr: str) -> Transcriber:
    """Return an ASR judge, which a worker process loads once, and again where its weights were replaced."""
    return load_transcriber_once(asr, judge_weights(asr), weights_stamp(asr))


def judge_version(asr: str) -> str:
    """Return the package, weights and way of decoding of an ASR judge."""
    return loaded_judge(asr).version


def gives_probabilities(judge: Transcriber) -> bool:
    """Return whether an ASR judge aligns words and knows how probable each is."""
    return judge.name not in WITHOUT_PROBABILITIES


def transcribe(path: Path, asr: str, language: str) -> Transcription:
    """Transcribe a clip with an ASR judge.

    Args:
        path: the clip.
        asr: name of the judge.
        language: ISO 639 code of the clip.

    Returns:
        What the judge heard, not normalised, or why it heard no word.
    """
    samples, sample_rate = load_audio(path)
    heard = loaded_judge(asr).listen(to_mono(samples), sample_rate, language)
    return heard._replace(text=heard.text.strip())


def check_speakable(text: str, language: str) -> None:
    """Raise ValueError where the front end cannot speak a text. A text of punctuation alone passes."""
    for sentence in _sentences(text):
        phonemize(sentence, language)


def spoken_words(text: str, language: str) -> list[str]:
    """Return the words that the models speak for an English text, with numbers and abbreviations written out.

    These are not the words that errors are counted on, in which "five" is 5. A text of punctuation alone has none.

    Raises:
        ValueError: the text cannot be spoken.
    """
    return [
        word for sentence in _sentences(text) for word in WORD.findall(phonemize(sentence, language).normalized_text)
    ]


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in split_sentences(text) if any(char.isalnum() for char in sentence)]


def word_times(paths: Sequence[Path], words: Sequence[str], *, as_recorded: bool = False) -> list[WordTime]:
    """Find when each English word is spoken by forced alignment, in seconds within the joined clips.

    Args:
        paths: file of each clip.
        words: what is spoken in them.
        as_recorded: whether noisy clips are aligned with all of their noise (stages/alignment/noise.py). Words at the
            border of two clips are found better with it: at 10 dB, two of 67 borders were wrong without.

    Returns:
        (word, start, end) of each word, or an empty list where the words do not fit the audio.
    """
    clips = [load_audio(path) for path in paths]
    waveform, sample_rate = np.concatenate([to_mono(samples) for samples, _ in clips]), clips[0][1]
    heard = to_rate(waveform, sample_rate, SAMPLE_RATE)
    noisy = not as_recorded and is_noisy(heard)
    if noisy:
        waveform, sample_rate = with_less_noise(heard), SAMPLE_RATE
    try:
        aligned = force_align(waveform, sample_rate, words, pronounce)
    except AlignmentError:
        return []
    if noisy:
        aligned = end_before_pauses(aligned, heard)
    return [(word.word, word.start, word.end) for word in aligned]


def log_probability(path: Path, words: Sequence[str], asr: str, language: str) -> float:
    """Return the natural logarithm of how probable an ASR finds the words of a clip, minus infinity if they do not fit.

    The judge must give probabilities.
    """
    samples, sample_rate = load_audio(path)
    try:
        aligned = loaded_judge(asr).align_words(to_mono(samples), sample_rate, words, language)
    except AlignmentError:
        return -math.inf
    return sum(math.log(max(word.probability or 0.0, LEAST_PROBABLE)) for word in aligned)


def heard_word_times(path: Path, words: Sequence[str], asr: str, language: str) -> list[WordTime]:
    """Find when each word is spoken by the ASR's cross-attention, in seconds within the clip.

    Returns:
        (word, start, end) of each word, or an empty list where the ASR cannot align them.
    """
    judge = loaded_judge(asr)
    if not gives_probabilities(judge):
        return []
    samples, sample_rate = load_audio(path)
    try:
        aligned = judge.align_words(to_mono(samples), sample_rate, words, language)
    except AlignmentError:
        return []
    return [(word.word, word.start, word.end) for word in aligned]
