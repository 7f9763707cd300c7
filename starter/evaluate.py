"""Stage evaluate: how good each part of the base is, from speech copied to text spoken. Prints a table, writes JSON.

    python -m starter.evaluate [--only copy resynthesis speech]

WER is pocketsphinx's, pooled over words. `real` is what it makes of the recordings themselves: no voice can be better.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch

from gpt_sovits.content_encoder import load_content_encoder
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis import Reference, Synthesizer, default_preset
from gpt_sovits.synthesis.sentences import finished
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights
from metrics.asr import Transcriber, load_transcriber
from metrics.normalize import normalize_text
from metrics.speaker import cosine, load_speaker_judge
from metrics.wer import word_errors
from starter.autoencoder import autoencode
from starter.prior import load_sovits
from starter.settings import (
    WORK,
    autoencoder_folder,
    corpus_folder,
    encoder_folder,
    gpt_folder,
    joint_folder,
    load_settings,
    prior_folder,
)
from starter.sovits_data import spectral_loss, spectrogram
from starter.speech import LJ, base_voices
from starter.store import SAMPLE_RATE, Utterance, read_corpus
from starter.tokens import posteriors, read_centres

N_PROCESSES = 2


@cache
def _transcriber() -> Transcriber:
    """One a process: it takes a second to load."""
    return load_transcriber("pocketsphinx")


def _hear(waveform: np.ndarray) -> str:
    return normalize_text(_transcriber().transcribe(waveform, SAMPLE_RATE))


def word_error_rate(waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> float:
    """Errors over words of all utterances; waveforms: (n,) float32 at 16 kHz"""
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        heard = list(pool.map(_hear, waveforms))
    counts = [word_errors(normalize_text(text), words) for text, words in zip(texts, heard, strict=True)]
    return sum(c.errors for c in counts) / sum(c.n_reference for c in counts)


def similarity(waveforms: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """Mean cosine of each waveform to the mean direction of the others."""
    judge = load_speaker_judge("ecapa_small")
    centre = np.mean([judge.embed(other, SAMPLE_RATE) for other in others], axis=0)
    return float(np.mean([cosine(judge.embed(waveform, SAMPLE_RATE), centre) for waveform in waveforms]))


def test_sets(n: int) -> dict[str, list[Utterance]]:
    """n utterances each: base voices mixed, the stranger, the real reader."""
    corpus = load_settings().corpus
    base = [read_corpus(corpus_folder() / name)[-n:] for name in base_voices()]
    mixed = [base[i % len(base)][i] for i in range(n)]
    return {
        "base": mixed,
        corpus.stranger: read_corpus(corpus_folder() / corpus.stranger)[-n:],
        LJ: read_corpus(corpus_folder() / LJ)[:n],
    }


def floats(one: Utterance) -> np.ndarray:
    return one.waveform.astype(np.float32) / 32768


@torch.inference_mode()
def copied(model: SoVITS, one: Utterance) -> np.ndarray:
    hop = model.config.hop_length
    waveform = torch.from_numpy(floats(one))
    waveform = waveform[: len(waveform) // hop * hop][None]
    noise = torch.zeros(1, model.config.latent_channels, waveform.shape[1] // hop)
    return autoencode(model, waveform, waveform, noise)[0][0].clamp(-1, 1).numpy()


@torch.inference_mode()
def resynthesised(model: SoVITS, encoder: torch.nn.Module, one: Utterance, noise_scale: float = 0.3) -> np.ndarray:
    """From the tokens of the recording, its text and its style."""
    codes = torch.cdist(posteriors(encoder, one.waveform), read_centres()).argmin(dim=1)
    style = model.style_embedding(spectrogram(torch.from_numpy(floats(one))[None], model.config))
    generator = torch.Generator().manual_seed(derive_seed(one.name))
    ids = torch.tensor(phonemize(finished(one.text), "en").ids)
    return model.decode(codes[None], ids[None], style, noise_scale=noise_scale, generator=generator)[0][0].numpy()


def spoken(model: SoVITS, gpt: GPT, encoder: torch.nn.Module, sets: Sequence[Utterance]) -> list[np.ndarray]:
    """Each text with the voice of the utterance before it as the reference: zero-shot."""
    waveforms = []
    for one, other in zip(sets, [sets[-1], *sets[:-1]], strict=True):
        ids = torch.tensor(phonemize(finished(other.text), "en").ids)
        codes = torch.cdist(posteriors(encoder, other.waveform), read_centres()).argmin(dim=1)
        reference = Reference(ids, codes, spectrogram(torch.from_numpy(floats(other))[None], model.config)[0], None)
        preset = default_preset(
            "en", len(codes) / 25 / len(ids), temperature=0.5, repetition_penalty=1.0, noise_scale=0.3
        )
        waveforms.append(Synthesizer(gpt, model, reference, preset).say(one.text, seed=0).waveform)
    return waveforms


def figures_of(make: Callable[[Utterance], np.ndarray], utterances: Sequence[Utterance]) -> dict[str, float]:
    made = [make(one) for one in utterances]
    return judged(made, utterances)


def judged(made: Sequence[np.ndarray], utterances: Sequence[Utterance]) -> dict[str, float]:
    real = [floats(one) for one in utterances]
    return {
        "wer": word_error_rate(made, [one.text for one in utterances]),
        "similarity": similarity(made, real),
    }


def _load(folder: Path, name: str) -> SoVITS:
    return load_sovits(folder, name).eval()


def _load_gpt() -> GPT:
    config, state = load_checkpoint(gpt_folder() / "gpt", "gpt")
    gpt = GPT(GPTConfig.from_dict(config))
    load_weights(gpt, state, "gpt")
    return gpt.eval()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m starter.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=("real", "copy", "resynthesis", "speech"))
    parser.add_argument("--n", type=int, default=20, help="utterances of each set")
    parser.add_argument("--sovits", choices=("autoencoder", "prior", "joint"), default="joint")
    arguments = parser.parse_args()
    parts = arguments.only or ("real", "copy", "resynthesis", "speech")
    folder = {"autoencoder": autoencoder_folder(), "prior": prior_folder(), "joint": joint_folder()}[arguments.sovits]
    results: dict[str, dict[str, float]] = {}
    with deterministic(0, 2):
        for name, utterances in test_sets(arguments.n).items():
            if "real" in parts:
                results[f"{name} real"] = figures_of(floats, utterances)
            if "copy" in parts:
                model = _load(folder, arguments.sovits)
                results[f"{name} copy"] = figures_of(lambda one, model=model: copied(model, one), utterances)
                pairs = [
                    (torch.from_numpy(floats(one))[None], torch.from_numpy(copied(model, one))[None])
                    for one in utterances
                ]
                losses = [float(spectral_loss(real[:, : made.shape[1]], made)) for real, made in pairs]
                results[f"{name} copy"]["spectral"] = float(np.mean(losses))
            if "resynthesis" in parts:
                model, encoder = (
                    _load(folder, arguments.sovits),
                    load_content_encoder(encoder_folder() / "content_encoder"),
                )
                results[f"{name} resynthesis"] = figures_of(
                    lambda one, model=model, encoder=encoder: resynthesised(model, encoder, one), utterances
                )
            if "speech" in parts:
                model, encoder = (
                    _load(folder, arguments.sovits),
                    load_content_encoder(encoder_folder() / "content_encoder"),
                )
                results[f"{name} speech"] = judged(spoken(model, _load_gpt(), encoder, utterances), utterances)
            for key, values in results.items():
                if key.startswith(f"{name} "):
                    print(f"{key:24s} " + "  ".join(f"{k} {v:.3f}" for k, v in values.items()), flush=True)
    WORK.mkdir(exist_ok=True)
    (WORK / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
