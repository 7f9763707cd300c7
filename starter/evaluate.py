"""Stage evaluate: scores of the packed base, from copies of speech to speech from text. Prints a table, writes JSON.

The word error rate is by pocketsphinx, whatever judge the profile `starter` has.

    python -m starter.evaluate [--only frames real copy resynthesis speech] [--n 20]

    frames       share of frames whose phone the content encoder gets wrong
    real         the recordings themselves, which no voice can surpass
    copy         through the posterior encoder and the generator
    resynthesis  from the recording's tokens, text and style
    speech       from the text, in the style of another recording of the voice: zero-shot, without adaptation

The last row is the stranger reading the fixed prompts by its own program: the best that the adapted sample voice can
reach.
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

from gpt_sovits.content_encoder.encoder import extract_ssl_features
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.pieces import add_full_stop
from gpt_sovits.synthesis.preset import default_preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, Base, load_base
from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import cosine, load_speaker_judge
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text
from metrics.prompts import load_prompts
from metrics.wer import word_errors
from starter.autoencoder import autoencode
from starter.content_encoder import frame_errors
from starter.corpus import speak_flite
from starter.settings import HOME, WORK, load_settings, shared_folder, stage_folder
from starter.sovits_data import spectral_loss, spectrogram
from starter.speech import LJ, base_voices, load_recognised_clip
from starter.store import SAMPLE_RATE, Utterance, read_corpus

ASR = "pocketsphinx"  # not the judge of the profile: the tables in RESULTS.md were made with it, and go on with it
N_PROCESSES = 2
N_CLIPS_PER_SPEAKER = 3
NOISE_SCALE = 0.3  # like the preset below, the value of params.yaml for the starter base
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
    """Load the ASR judge once per process, because that takes a second."""
    return load_transcriber(ASR)


def _transcribe(waveform: np.ndarray) -> str:
    return normalize_text(_transcriber().transcribe(waveform, SAMPLE_RATE, "en"))


def word_error_rate(waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> float:
    """Return the errors per word over all utterances. Waveforms are (n_samples,) float32 at 16 kHz."""
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        transcripts = list(pool.map(_transcribe, waveforms))
    counts = [word_errors(normalize_text(text), words) for text, words in zip(texts, transcripts, strict=True)]
    return sum(c.errors for c in counts) / sum(c.n_reference for c in counts)


def similarity(waveforms: Sequence[np.ndarray], utterances: Sequence[Utterance]) -> float:
    """Return the mean cosine of each waveform to the mean embedding of the other recordings of its voice.

    Args:
        waveforms: (n_samples,) float32 at 16 kHz, one per utterance.
        utterances: The recordings.
    """
    judge = load_speaker_judge("ecapa_small")
    real = [judge.embed(to_float(one), SAMPLE_RATE) for one in utterances]
    cosines = []
    for i, waveform in enumerate(waveforms):
        others = [r for j, r in enumerate(real) if j != i and utterances[j].voice == utterances[i].voice]
        cosines.append(cosine(judge.embed(waveform, SAMPLE_RATE), np.mean(others, axis=0)))
    return float(np.mean(cosines))


def evaluation_sets(n: int) -> dict[str, list[Utterance]]:
    """Return n utterances per set that no stage trained on: base voices in turn, the stranger, the real reader."""
    stranger = load_settings().corpus.stranger
    folder = stage_folder("corpus")
    voices = [read_corpus(folder / name)[-n:] for name in base_voices()]
    return {
        "base": [voices[i % len(voices)][i] for i in range(n)],
        stranger: read_corpus(folder / stranger)[-n:],
        LJ: read_corpus(folder / LJ)[:n],
    }


def to_float(utterance: Utterance) -> np.ndarray:
    """Return the waveform as (n_samples,) float32 in [-1, 1]."""
    return utterance.waveform.astype(np.float32) / 32768


@torch.inference_mode()
def copy_utterance(sovits: SoVITS, utterance: Utterance) -> np.ndarray:
    """Copy a recording through the posterior encoder and the generator."""
    hop = sovits.config.hop_length
    waveform = torch.from_numpy(to_float(utterance))
    waveform = waveform[: len(waveform) // hop * hop][None]
    noise = torch.zeros(1, sovits.config.latent_channels, waveform.shape[1] // hop)
    return autoencode(sovits, waveform, waveform, noise)[0][0].clamp(-1, 1).numpy()


@torch.inference_mode()
def build_reference(sovits: SoVITS, encoder: torch.nn.Module, utterance: Utterance) -> Reference:
    """Return a recording as a reference: its phonemes, semantic tokens and spectrogram."""
    waveform = torch.from_numpy(to_float(utterance))[None]
    codes = sovits.semantic_tokens(extract_ssl_features(encoder, waveform))[0]
    return Reference(phoneme_ids(utterance.text), codes, spectrogram(waveform, sovits.config)[0], None)


def phoneme_ids(text: str) -> Tensor:
    """Return (n_phonemes,) the ids of the phonemes of an English text."""
    return torch.tensor(phonemize(add_full_stop(text), "en").ids)


@torch.inference_mode()
def resynthesize(sovits: SoVITS, encoder: torch.nn.Module, utterance: Utterance) -> np.ndarray:
    """Decode a recording from its own tokens, text and style."""
    reference = build_reference(sovits, encoder, utterance)
    style = sovits.style_embedding(reference.spectrogram[None])
    generator = torch.Generator().manual_seed(derive_seed(utterance.name))
    codes, ids = reference.semantic_tokens[None], reference.phoneme_ids[None]
    return sovits.decode(codes, ids, style, noise_scale=NOISE_SCALE, generator=generator)[0][0].numpy()


def speak_texts(base: Base, utterances: Sequence[Utterance]) -> list[np.ndarray]:
    """Speak the text of each utterance in the style of the next utterance of the same voice."""
    encoder, sovits = base.build_content_encoder(), base.build_sovits()
    references = [build_reference(sovits, encoder, one) for one in utterances]
    waveforms = []
    for i, one in enumerate(utterances):
        others = [j for j, other in enumerate(utterances) if other.voice == one.voice and j != i]
        reference = references[next((j for j in others if j > i), others[0])]
        preset = default_preset("en", reference.seconds_per_phoneme, **SAMPLING, token_phones=base.token_phones())
        waveforms.append(Synthesizer(base.build_gpt(), base.build_sovits(), reference, preset).say(one.text).waveform)
    return waveforms


def score_part(part: str, base: Base, utterances: Sequence[Utterance]) -> dict[str, float]:
    """Return word error rate and similarity, and for copies the spectral loss.

    Args:
        part: "real", "copy", "resynthesis" or "speech".
        base: The base model.
        utterances: The recordings to copy or whose texts to speak.
    """
    sovits, encoder = base.build_sovits(), base.build_content_encoder()
    makers: dict[str, Callable[[Utterance], np.ndarray]] = {
        "real": to_float,
        "copy": partial(copy_utterance, sovits),
        "resynthesis": partial(resynthesize, sovits, encoder),
    }
    waveforms = speak_texts(base, utterances) if part == "speech" else [makers[part](one) for one in utterances]
    scores = {
        "wer": word_error_rate(waveforms, [one.text for one in utterances]),
        "similarity": similarity(waveforms, utterances),
    }
    if part == "copy":
        reals = [torch.from_numpy(to_float(one)) for one in utterances]
        copies = [torch.from_numpy(waveform) for waveform in waveforms]
        losses = [float(spectral_loss(r[None, : len(c)], c[None])) for r, c in zip(reals, copies, strict=True)]
        scores["spectral"] = float(np.mean(losses))
    return scores


def read_prompts_by_stranger() -> list[Utterance]:
    """Let the stranger read the fixed English prompts by its own program."""
    corpus = load_settings().corpus
    voice = corpus.voices[corpus.stranger].voice
    prompts = load_prompts(HOME.parent / "benchmarks/prompts/en.yaml").prompts
    readings = [(one, speak_flite(voice, one.text, stretch=1.0, pitch=0.0)[0]) for one in prompts]
    return [Utterance(prompt.id, corpus.stranger, prompt.text, waveform, []) for prompt, waveform in readings]


def load_unseen_speakers() -> list[Utterance]:
    """Return LibriSpeech clips of speakers that no stage trained on, without those that could not be aligned."""
    folder = shared_folder() / "data" / "librispeech_speakers" / "test"
    speakers = [sorted(one.rglob("*.flac"))[:N_CLIPS_PER_SPEAKER] for one in sorted(folder.iterdir())]
    clips = [path for some in speakers for path in some]
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        return [one for one in pool.map(load_recognised_clip, clips) if one.phones]


PARTS = ("frames", "real", "copy", "resynthesis", "speech")


def print_scores(name: str, part: str, scores: Mapping[str, float]) -> None:
    """Print the scores of one part of one set as a line."""
    print(f"{name:6s} {part:12s} " + "  ".join(f"{key} {value:.3f}" for key, value in scores.items()), flush=True)


def main() -> None:
    """Print the scores and write them to work/evaluation.json."""
    parser = argparse.ArgumentParser(prog="python -m starter.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n", type=int, default=20, help="utterances of each set")
    arguments = parser.parse_args()
    base = load_base(STARTER)
    results: dict[str, dict[str, float]] = {}
    with deterministic(0, N_PROCESSES):
        sets = evaluation_sets(arguments.n)
        if "frames" in arguments.only:
            labelled = {name: [one for one in some if one.phones] for name, some in sets.items()}
            labelled["librispeech"] = load_unseen_speakers()
            results["frames"] = frame_errors(base.build_content_encoder(), labelled)
            print_scores("", "frames", results["frames"])
        for name, utterances in sets.items():
            for part in [part for part in PARTS[1:] if part in arguments.only]:
                results[f"{name} {part}"] = score_part(part, base, utterances)
                print_scores(name, part, results[f"{name} {part}"])
        if "real" in arguments.only:
            results["prompts real"] = score_part("real", base, read_prompts_by_stranger())
            print_scores("prompts", "real", results["prompts real"])
    (WORK / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
