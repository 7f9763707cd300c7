"""How well the times of spoken words are known from the models that spoke them.

    python -m benchmarks.spoken_word_times                       # after vox run sample
    python -m benchmarks.spoken_word_times --voice FOLDER --n 20

The voice speaks prompts of the gate. Each way of telling the times is compared, word by word, with pocketsphinx and
with Whisper, which are given the text and hear nothing but the sound. No one has written down the true times.
The models and pocketsphinx have nothing in common, so where they agree, both are right.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.sovits.config import FRAMES_PER_TOKEN
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.synthesizer import Synthesizer, choose_attempt
from gpt_sovits.synthesis.voice import load_voice
from gpt_sovits.synthesis.word_times import follow_text, words_on_path
from gpt_sovits.text.english.phonemes import pronounce
from gpt_sovits.text.written_words import written_words
from metrics.errors import AlignmentError
from metrics.forced_alignment import force_align
from metrics.judges.asr import load_transcriber
from metrics.prompts import load_prompts
from stages.alignment.transcribe import spoken_words

LARGE_ERROR = 0.1  # seconds
Scores = Callable[[Synthesizer, Sentence, Tensor], np.ndarray]


class Spoken(NamedTuple):
    """A sentence as it was spoken, with the words that an aligner is given."""

    sentence: Sentence
    tokens: Tensor
    waveform: np.ndarray
    words: list[str]


def speak(voice: Synthesizer, texts: Sequence[str]) -> list[Spoken]:
    """Speak texts, and return the sentences of which the written words are the spoken ones, without numbers."""
    sentences = [sentence for text in texts for sentence in voice.sentences(text, 0)]
    spoken = []
    with torch.inference_mode():
        for sentence, attempts in zip(sentences, voice.speak(sentences), strict=True):
            best, words = choose_attempt(sentence, attempts), spoken_words(sentence.text, "en")
            is_plain = len(words) == len(written_words(sentence.text))
            if best.tokens is not None and best.report.outcome == "spoken" and is_plain:
                spoken.append(Spoken(sentence, best.tokens, best.waveform, words))
    return spoken


def by_attention(voice: Synthesizer, sentence: Sentence, tokens: Tensor) -> np.ndarray:
    """Return the scores of the GPT's head alone."""
    return follow_text(_with(voice, token_phones=None), sentence, tokens)


def by_phones(voice: Synthesizer, sentence: Sentence, tokens: Tensor) -> np.ndarray:
    """Return the scores of the tokens' phones alone."""
    return follow_text(_with(voice, alignment_head=None), sentence, tokens)


def by_prior(voice: Synthesizer, sentence: Sentence, tokens: Tensor) -> np.ndarray:
    """Return the mean over the heads with which the SoVITS prior looks at the text."""
    encoder, ids = voice.sovits.enc_p, sentence.phoneme_ids[None].to(voice.device)
    text, text_mask = encoder.encode_text(ids, torch.tensor([ids.shape[1]], device=voice.device))
    quantized = voice.sovits.codewords(tokens[None].to(voice.device))
    mask = length_mask(torch.tensor([FRAMES_PER_TOKEN * len(tokens)], device=voice.device), quantized.shape[2])
    content = encoder.encoder_ssl(encoder.ssl_proj(quantized * mask) * mask, mask)
    attention = encoder.mrte.cross_attention
    query = attention.conv_q(encoder.mrte.c_pre(content * mask) * mask)
    key = attention.conv_k(encoder.mrte.text_pre(text * text_mask) * text_mask)
    heads = [part.unflatten(1, (attention.n_heads, attention.head_dim)) for part in (query, key)]
    scores = torch.einsum("bhdt,bhdx->bhtx", *heads)[0] / attention.head_dim**0.5
    return scores.log_softmax(dim=-1).mean(dim=0).cpu().numpy()


def evenly(voice: Synthesizer, sentence: Sentence, tokens: Tensor) -> np.ndarray:
    """Return scores that give each phoneme the same time: what is known without looking."""
    places = np.arange(len(sentence.phoneme_ids))
    return -np.abs(np.linspace(0, len(places) - 1, len(tokens))[:, None] - places[None])


METHODS: dict[str, Scores] = {
    "attention and phones": follow_text,
    "attention of the GPT": by_attention,
    "phones of the tokens": by_phones,
    "attention of the SoVITS prior": by_prior,
    "all phonemes equally long": evenly,
}


def _with(voice: Synthesizer, **changes: object) -> Synthesizer:
    other = copy.copy(voice)
    other.preset = voice.preset.model_copy(update=changes)
    return other


def row(name: str, errors: np.ndarray, seconds: float) -> str:
    """Return a row of the table for (n_words, 2) differences of starts and ends, and the CPU time per sentence."""
    sizes = np.abs(errors)
    figures = [
        f"{np.median(errors[:, 0]):+.3f}",
        f"{np.median(sizes[:, 0]):.3f}",
        f"{np.quantile(sizes[:, 0], 0.9):.3f}",
        f"{(sizes[:, 0] > LARGE_ERROR).mean():.1%}",
        f"{np.median(sizes[:, 1]):.3f}",
        f"{1000 * seconds:.0f} ms",
    ]
    return f"| {name} | {' | '.join(figures)} |"


def main() -> None:
    """Print a table for each of the two that hear the sound."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--voice", type=Path, default=Path("data/6_scores/sample/voice"), help="folder of a voice")
    parser.add_argument("--prompts", type=Path, default=Path("benchmarks/prompts/en.yaml"))
    parser.add_argument("--judge", default="faster-whisper-tiny.en")
    parser.add_argument("--n", type=int, default=60, help="prompts")
    arguments = parser.parse_args()
    voice, judge = load_voice(arguments.voice), load_transcriber(arguments.judge)
    prompts = load_prompts(arguments.prompts).prompts
    spoken = speak(voice, [prompt.text for prompt in prompts[: arguments.n]])
    heard: dict[str, list] = {"pocketsphinx": [], arguments.judge: []}
    kept = []
    for one in spoken:
        try:
            aligned = force_align(one.waveform, voice.sample_rate, one.words, pronounce)
        except AlignmentError:
            continue
        kept.append(one)
        heard["pocketsphinx"].append(aligned)
        heard[arguments.judge].append(judge.align_words(one.waveform, voice.sample_rate, one.words, "en"))
    found = {}
    for name, method in METHODS.items():
        begin = time.process_time()
        with torch.inference_mode():
            found[name] = [
                words_on_path(voice, one.sentence, method(voice, one.sentence, one.tokens), one.waveform)
                for one in kept
            ]
        found[name, "seconds"] = (time.process_time() - begin) / len(kept)
    print(f"{len(kept)} of {len(spoken)} sentences, {sum(len(one.words) for one in kept)} words")
    for reference, aligned in heard.items():
        print(f"\n| against {reference} | start, median | median size | 90 % | above 0.1 s | end, median size | CPU |")
        print("|---|---|---|---|---|---|---|")
        for name in METHODS:
            print(row(name, _differences(found[name], aligned), found[name, "seconds"]))
    both = _differences(heard[arguments.judge], heard["pocketsphinx"])
    print(f"\n{row(f'{arguments.judge} against pocketsphinx', both, 0.0)}")


def _differences(one: Sequence, other: Sequence) -> np.ndarray:
    """Return (n_words, 2): starts and ends of `one` less those of `other`, in seconds."""
    pairs = [pair for a, b in zip(one, other, strict=True) for pair in zip(a, b, strict=True)]
    return np.array([(a.start - b.start, a.end - b.end) for a, b in pairs])


if __name__ == "__main__":
    main()
