"""When each word is spoken, from what made the speech: the attention that follows the text, and the semantic tokens.

Two things say which phoneme a token is a part of: the head of the GPT that looks at the phoneme it speaks
(gpt_sovits/gpt/reading.py), and, in a base whose codewords are phones, the token itself. The best path through both is
found that goes through all phonemes in order. Nothing of it changes the speech.

`python -m benchmarks.spoken_word_times` measures it against two aligners that hear the sound alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.gpt.reading import attention_scores
from gpt_sovits.synthesis.pieces import read_piece
from gpt_sovits.synthesis.sentences import Reader, Sentence
from gpt_sovits.synthesis.speech import Speech, Timings, join
from gpt_sovits.synthesis.synthesizer import Synthesizer, choose_attempt
from gpt_sovits.synthesis.words import Word, can_time_words
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOLS
from gpt_sovits.text.written_words import WrittenWord, locate_words

STEPS_PER_TOKEN = 2  # a phoneme lasts at least a step, which is 20 ms
OTHER_PHONE = -1.5  # logarithm of how likely a token stands for another phone than its own
SILENCE = "sil"
FRAME_SECONDS = 0.01
SILENT_DB = -40.0  # of a frame against the loudest


@torch.inference_mode()
def word_times(
    synthesizer: Synthesizer,
    sentence: Sentence,
    tokens: Tensor,
    waveform: np.ndarray,
    *,
    language: str | None = None,
    n_left_out: int = 0,
) -> tuple[Word, ...]:
    """Return when the words of a spoken sentence are said, in seconds from the begin of its sound.

    Args:
        synthesizer: The voice.
        sentence: What was said.
        tokens: Its semantic tokens, (n,) int64.
        waveform: Its sound, (n_samples,) float32.
        language: Of the text. None: the voice's own.
        n_left_out: Samples that were cut off before the sound.

    Returns:
        Every word of the sentence in order. No word begins before the one before it ends.

    Raises:
        ValueError: The voice cannot tell.
    """
    require_word_times(synthesizer)
    scores = follow_text(synthesizer, sentence, tokens)
    return words_on_path(synthesizer, sentence, scores, waveform, language=language, n_left_out=n_left_out)


def require_word_times(synthesizer: Synthesizer) -> None:
    """Refuse a voice that cannot tell when its words are said.

    Raises:
        ValueError: It cannot.
    """
    if not can_time_words(synthesizer.preset):
        raise ValueError(
            "this voice cannot tell when its words are said: neither alignment_head nor the phones of its tokens are "
            "known"
        )


def words_on_path(
    synthesizer: Synthesizer,
    sentence: Sentence,
    scores: np.ndarray,
    waveform: np.ndarray,
    *,
    language: str | None = None,
    n_left_out: int = 0,
) -> tuple[Word, ...]:
    """Return the words of a sentence where the best path through some scores has them.

    Args:
        synthesizer: The voice.
        sentence: What was said.
        scores: (n, n_phonemes) logarithms of how likely the sound is a part of each phoneme, at n moments that are
            equally far apart.
        waveform: Its sound, (n_samples,) float32.
        language: Of the text. None: the voice's own.
        n_left_out: Samples that were cut off before the sound.
    """
    symbols = [SYMBOLS[number] for number in sentence.phoneme_ids.tolist()]
    words = _words(sentence, symbols, synthesizer.reader.in_language(language))
    seconds = (len(waveform) + n_left_out) / synthesizer.sample_rate
    if len(scores) == 0 or not seconds:
        return tuple(Word(word.text, 0.0, 0.0) for word in words)
    path = best_path(scores)
    step = seconds / len(path)
    begins = np.searchsorted(path, np.arange(len(symbols))) * step
    ends = np.searchsorted(path, np.arange(len(symbols)), side="right") * step
    spans = [(float(begins[word.first]), float(ends[word.end - 1])) for word in words]
    left_out = n_left_out / synthesizer.sample_rate
    loud = _loud_frames(waveform, synthesizer.sample_rate)
    at_pauses = [_touches_pauses(word, symbols) for word in words]
    return _in_order(
        [word.text for word in words],
        [
            _without_silence(start - left_out, end - left_out, loud, *at_pause)
            for (start, end), at_pause in zip(spans, at_pauses, strict=True)
        ],
        len(waveform) / synthesizer.sample_rate,
    )


def say_with_words(
    synthesizer: Synthesizer, text: str, seed: int = 0, language: str | None = None
) -> tuple[Speech, list[tuple[Word, ...]]]:
    """Speak a text as Synthesizer.say does, and tell when its words are said.

    Args:
        synthesizer: The voice.
        text: The text.
        seed: Another seed gives another reading.
        language: Of the text. None: the voice's own.

    Returns:
        The speech, and the words of each sentence with their times in the whole sound.

    Raises:
        ValueError: As for Synthesizer.say, or the voice cannot tell.
    """
    require_word_times(synthesizer)
    sentences = synthesizer.sentences(text, seed, language)
    with torch.inference_mode():
        attempts = synthesizer.speak(sentences)
    spoken = [choose_attempt(sentence, tries) for sentence, tries in zip(sentences, attempts, strict=True)]
    words, begin = [], 0.0
    for sentence, one in zip(sentences, spoken, strict=True):
        assert one.tokens is not None
        found = word_times(synthesizer, sentence, one.tokens, one.waveform, language=language)
        words.append(tuple(word.later(begin) for word in found))
        begin += (len(one.waveform) + len(synthesizer.pause)) / synthesizer.sample_rate
    waveform = join([one.waveform for one in spoken], synthesizer.pause)
    timings = sum((one.timings for one in spoken), Timings())
    return Speech(waveform, synthesizer.sample_rate, tuple(one.report for one in spoken), timings), words


def best_path(scores: np.ndarray) -> np.ndarray:
    """Return which phoneme each step is a part of: the path through all of them, in order, with the largest sum.

    Args:
        scores: (n_tokens, n_phonemes) logarithms of how likely a token is a part of a phoneme, n_tokens at least 1.

    Returns:
        (n_steps,) int. A token has STEPS_PER_TOKEN steps, or more where there are more phonemes than steps.
    """
    n_tokens, n_phonemes = scores.shape
    steps = np.repeat(scores, max(STEPS_PER_TOKEN, math.ceil(n_phonemes / n_tokens)), axis=0)
    best = np.full(n_phonemes, -np.inf)
    best[0] = steps[0, 0]
    has_moved = np.zeros(steps.shape, bool)
    for step in range(1, len(steps)):
        from_before = np.concatenate(([-np.inf], best[:-1]))
        has_moved[step] = from_before > best
        best = np.maximum(best, from_before) + steps[step]
    path = np.empty(len(steps), np.int64)
    place = n_phonemes - 1
    for step in reversed(range(len(steps))):
        path[step] = place
        place -= int(has_moved[step, place])
    return path


def _words(sentence: Sentence, symbols: Sequence[str], reader: Reader) -> list[WrittenWord]:
    return locate_words(sentence.text, symbols, lambda word: read_piece(word, reader.preset, reader.lexicon).symbols)


def follow_text(synthesizer: Synthesizer, sentence: Sentence, tokens: Tensor) -> np.ndarray:
    """Return (n_tokens, n_phonemes) logarithms of how likely each token is a part of each phoneme.

    Args:
        synthesizer: The voice.
        sentence: What was said.
        tokens: Its semantic tokens, (n_tokens,) int64.
    """
    symbols = [SYMBOLS[number] for number in sentence.phoneme_ids.tolist()]
    preset, scores = synthesizer.preset, np.zeros((len(tokens), len(symbols)))
    if preset.alignment_head is not None and len(tokens):
        prompt = synthesizer.prompt(sentence)
        raw = attention_scores(synthesizer.gpt, prompt, tokens, preset.alignment_head).float()
        width = synthesizer.gpt.config.hidden_size // synthesizer.gpt.config.n_heads
        scores += (raw / math.sqrt(width)).log_softmax(dim=1).cpu().numpy()[:, -len(symbols) :]
    if preset.token_phones is not None:
        phones = np.array([preset.token_phones[token] for token in tokens.tolist()])
        spoken = np.array([SILENCE if one in PUNCTUATION else one.rstrip("012").lower() for one in symbols])
        scores += np.where(phones[:, None] == spoken[None], 0.0, OTHER_PHONE)
    return scores


def _loud_frames(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return whether each frame of FRAME_SECONDS is not silent, (n_frames,) bool."""
    frame = round(FRAME_SECONDS * sample_rate)
    n_frames = len(waveform) // frame
    energy = np.square(waveform[: n_frames * frame].reshape(n_frames, frame), dtype=np.float64).mean(axis=1)
    return energy > energy.max(initial=0.0) * 10 ** (SILENT_DB / 10)


def _touches_pauses(word: WrittenWord, symbols: Sequence[str]) -> tuple[bool, bool]:
    """Return whether a pause is before and after a word. The ends of a sentence count."""
    before = word.first == 0 or symbols[word.first - 1] in PUNCTUATION
    return before, word.end >= len(symbols) or symbols[word.end] in PUNCTUATION


def _without_silence(
    start: float, end: float, loud: np.ndarray, pause_before: bool, pause_after: bool
) -> tuple[float, float]:
    """Return a span without the silence of the pauses that it touches, in seconds."""
    first = max(0, round(start / FRAME_SECONDS))
    sounding = np.flatnonzero(loud[first : max(first, round(end / FRAME_SECONDS))])
    if not len(sounding):
        return start, end
    begin, stop = ((first + int(frame)) * FRAME_SECONDS for frame in (sounding[0], sounding[-1] + 1))
    return max(start, begin) if pause_before else start, min(end, stop) if pause_after else end


def _in_order(texts: Sequence[str], spans: Sequence[tuple[float, float]], seconds: float) -> tuple[Word, ...]:
    """Return words inside the sound, none of which begins before the one before it ends."""
    words, before = [], 0.0
    for text, (start, end) in zip(texts, spans, strict=True):
        start = round(min(max(start, before), seconds), 3)
        before = round(min(max(end, start), seconds), 3)
        words.append(Word(text, start, max(before, start)))
    return tuple(words)
