"""Stage evaluate: how good the packed base is, from speech copied to text spoken. Prints a table, writes JSON.

python -m starter.evaluate [--only real copy resynthesis speech] [--n 20]

real         the recordings themselves: no voice can be better
copy         through the posterior encoder and the generator
resynthesis  from the recording's tokens, its text and its style
speech       from the text, with the style of another recording of the voice: zero-shot, nothing is adapted

frames       share of frames whose phone the content encoder takes for another (--only frames)

Last comes the stranger reading the fixed prompts, by its own program: what the adapted sample voice can hope to reach.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.content_encoder import extract_ssl_features
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.preset import default_preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.sentences import add_full_stop
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, Base, load_base
from metrics.judges.asr import Transcriber, load_transcriber
from metrics.judges.speaker import cosine, load_speaker_judge
from metrics.normalize import normalize_text
from metrics.prompts import load_prompts
from metrics.wer import word_errors
from starter.autoencoder import autoencode
from starter.content_encoder import frame_errors
from starter.corpus import speak_flite
from starter.settings import HOME, WORK, load_settings, shared_folder, stage_folder
from starter.sovits_data import spectral_loss, spectrogram
from starter.speech import LJ, base_voices, recognised
from starter.store import SAMPLE_RATE, Utterance, read_corpus

N_PROCESSES = 2
N_CLIPS_OF_A_SPEAKER = 3
NOISE_SCALE = 0.3  # this and the preset below as params.yaml has them for the starter base
SAMPLING = {
    "temperature": 0.6,
    "repetition_penalty": 1.0,
    "prompted": False,
    "noise_scale": NOISE_SCALE,
    "n_best_of": 8,
    "max_retries": 4,
    "alignment_head": (1, 0),
}


@cache
def _transcriber() -> Transcriber:
    """One a process: it takes a second to load."""
    return load_transcriber("pocketsphinx")


def _hear(waveform: np.ndarray) -> str:
    return normalize_text(_transcriber().transcribe(waveform, SAMPLE_RATE, "en"))


def word_error_rate(waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> float:
    """Errors over words of all utterances; waveforms: (n,) float32 at 16 kHz"""
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        heard = list(pool.map(_hear, waveforms))
    counts = [word_errors(normalize_text(text), words) for text, words in zip(texts, heard, strict=True)]
    return sum(c.errors for c in counts) / sum(c.n_reference for c in counts)


def similarity(waveforms: Sequence[np.ndarray], utterances: Sequence[Utterance]) -> float:
    """Mean cosine of each waveform to the mean direction of the other recordings of its voice."""
    judge = load_speaker_judge("ecapa_small")
    real = [judge.embed(floats(one), SAMPLE_RATE) for one in utterances]
    cosines = []
    for i, waveform in enumerate(waveforms):
        others = [r for j, r in enumerate(real) if j != i and utterances[j].voice == utterances[i].voice]
        cosines.append(cosine(judge.embed(waveform, SAMPLE_RATE), np.mean(others, axis=0)))
    return float(np.mean(cosines))


def sets_to_judge(n: int) -> dict[str, list[Utterance]]:
    """n utterances each that no stage trained on: base voices in turn, the stranger, the real reader."""
    stranger = load_settings().corpus.stranger
    folder = stage_folder("corpus")
    voices = [read_corpus(folder / name)[-n:] for name in base_voices()]
    return {
        "base": [voices[i % len(voices)][i] for i in range(n)],
        stranger: read_corpus(folder / stranger)[-n:],
        LJ: read_corpus(folder / LJ)[:n],
    }


def floats(one: Utterance) -> np.ndarray:
    return one.waveform.astype(np.float32) / 32768


@torch.inference_mode()
def copied(sovits: SoVITS, one: Utterance) -> np.ndarray:
    hop = sovits.config.hop_length
    waveform = torch.from_numpy(floats(one))
    waveform = waveform[: len(waveform) // hop * hop][None]
    noise = torch.zeros(1, sovits.config.latent_channels, waveform.shape[1] // hop)
    return autoencode(sovits, waveform, waveform, noise)[0][0].clamp(-1, 1).numpy()


@torch.inference_mode()
def reference_of(sovits: SoVITS, encoder: torch.nn.Module, one: Utterance) -> Reference:
    waveform = torch.from_numpy(floats(one))[None]
    codes = sovits.semantic_tokens(extract_ssl_features(encoder, waveform))[0]
    return Reference(phoneme_ids(one.text), codes, spectrogram(waveform, sovits.config)[0], None)


def phoneme_ids(text: str) -> Tensor:
    return torch.tensor(phonemize(add_full_stop(text), "en").ids)


@torch.inference_mode()
def resynthesised(sovits: SoVITS, encoder: torch.nn.Module, one: Utterance) -> np.ndarray:
    own = reference_of(sovits, encoder, one)
    style = sovits.style_embedding(own.spectrogram[None])
    generator = torch.Generator().manual_seed(derive_seed(one.name))
    codes, ids = own.semantic_tokens[None], own.phoneme_ids[None]
    return sovits.decode(codes, ids, style, noise_scale=NOISE_SCALE, generator=generator)[0][0].numpy()


def spoken(base: Base, utterances: Sequence[Utterance]) -> list[np.ndarray]:
    """Each text in the style of the next utterance of the same voice."""
    encoder, sovits = base.build_content_encoder(), base.build_sovits()
    references = [reference_of(sovits, encoder, one) for one in utterances]
    waveforms = []
    for i, one in enumerate(utterances):
        others = [j for j, other in enumerate(utterances) if other.voice == one.voice and j != i]
        reference = references[next((j for j in others if j > i), others[0])]
        preset = default_preset("en", reference.seconds_per_phoneme, **SAMPLING, token_phones=base.token_phones())
        waveforms.append(Synthesizer(base.build_gpt(), base.build_sovits(), reference, preset).say(one.text).waveform)
    return waveforms


def figures(part: str, base: Base, utterances: Sequence[Utterance]) -> dict[str, float]:
    """WER and similarity of one part, and for copies the spectral loss."""
    sovits, encoder = base.build_sovits(), base.build_content_encoder()
    one_by_one: dict[str, Callable[[Utterance], np.ndarray]] = {
        "real": floats,
        "copy": partial(copied, sovits),
        "resynthesis": partial(resynthesised, sovits, encoder),
    }
    made = spoken(base, utterances) if part == "speech" else [one_by_one[part](one) for one in utterances]
    found = {
        "wer": word_error_rate(made, [one.text for one in utterances]),
        "similarity": similarity(made, utterances),
    }
    if part == "copy":
        pairs = [(torch.from_numpy(floats(one)), torch.from_numpy(m)) for one, m in zip(utterances, made, strict=True)]
        losses = [float(spectral_loss(real[None, : len(copy)], copy[None])) for real, copy in pairs]
        found["spectral"] = float(np.mean(losses))
    return found


def prompts_read_by_the_stranger() -> list[Utterance]:
    corpus = load_settings().corpus
    voice = corpus.voices[corpus.stranger].voice
    prompts = load_prompts(HOME.parent / "benchmarks/prompts/en.yaml").prompts
    read = [(one, speak_flite(voice, one.text, stretch=1.0, pitch=0.0)[0]) for one in prompts]
    return [Utterance(prompt.id, corpus.stranger, prompt.text, waveform, []) for prompt, waveform in read]


def strangers_of_librispeech() -> list[Utterance]:
    """Speakers whom no stage heard; clips whose words could not be aligned are left out."""
    folder = shared_folder() / "data" / "librispeech_speakers" / "test"
    speakers = [sorted(one.rglob("*.flac"))[:N_CLIPS_OF_A_SPEAKER] for one in sorted(folder.iterdir())]
    clips = [path for some in speakers for path in some]
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        return [one for one in pool.map(recognised, clips) if one.phones]


PARTS = ("frames", "real", "copy", "resynthesis", "speech")


def show(name: str, part: str, found: Mapping[str, float]) -> None:
    print(f"{name:6s} {part:12s} " + "  ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m starter.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n", type=int, default=20, help="utterances of each set")
    arguments = parser.parse_args()
    base = load_base(STARTER)
    results: dict[str, dict[str, float]] = {}
    with deterministic(0, N_PROCESSES):
        sets = sets_to_judge(arguments.n)
        if "frames" in arguments.only:
            labelled = {name: [one for one in some if one.phones] for name, some in sets.items()}
            labelled["librispeech"] = strangers_of_librispeech()
            results["frames"] = frame_errors(base.build_content_encoder(), labelled)
            show("", "frames", results["frames"])
        for name, utterances in sets.items():
            for part in [part for part in PARTS[1:] if part in arguments.only]:
                found = results[f"{name} {part}"] = figures(part, base, utterances)
                show(name, part, found)
        if "real" in arguments.only:
            read = prompts_read_by_the_stranger()
            results["prompts real"] = figures("real", base, read)
            show("prompts", "real", results["prompts real"])
    (WORK / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
