"""What runs in the worker processes of the stage features: everything that the models learn from one clip.

This is a module of its own, because functions of a program's main module are copied into the workers without their
caches.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file

from gpt_sovits.audio import load_audio, resample, to_mono
from gpt_sovits.content_encoder.encoder import CONTENT_SAMPLE_RATE, ContentEncoder, extract_ssl_features
from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram
from gpt_sovits.speaker_encoder import SpeakerEncoder, load_speaker_encoder, speaker_embedding
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon, load_lexicon
from gpt_sovits.weights.base import load_base, shared_part
from metrics.judges.speaker import SpeakerJudge, load_speaker_judge
from registry.files import file_sha256
from stages.profiles import judge_weights, weights_stamp


class ExtractedClip(NamedTuple):
    """What the table needs to know about the features of a clip.

    Attributes:
        n_phonemes: phonemes of its text.
        n_tokens: semantic tokens.
        embedding: (D,) unit-norm speaker embedding by the speaker judge.
    """

    n_phonemes: int
    n_tokens: int
    embedding: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Encoders:
    """What turns a clip into features.

    Attributes:
        content_encoder: gives content features (SSL features).
        sovits: gives semantic tokens.
        speaker_encoder: gives speaker embeddings, for a SoVITS that takes them (v2Pro, v2ProPlus).
    """

    content_encoder: ContentEncoder
    sovits: SoVITS
    speaker_encoder: SpeakerEncoder | None = None


def extract_clip(
    sound: Path,
    text: str,
    *,
    language: str,
    lexicon: Path | None,
    base: str,
    weights: tuple[str, ...],
    speaker: str,
    n_threads: int,
    out_file: Path,
) -> ExtractedClip:
    """Write the tensors of one clip.

    Args:
        sound: the clip.
        text: what is said in the clip.
        language: ISO 639 code of the text.
        lexicon: file of the voice's own words, None where it has none.
        base: name of the base model.
        weights: hashes of its folders. A worker that lives on loads changed ones anew.
        speaker: name of the speaker judge.
        n_threads: CPU threads of torch.
        out_file: the safetensors file that is written.
    """
    samples, sample_rate = load_audio(sound)
    waveform = to_mono(samples)
    with deterministic(seed=0, n_threads=n_threads), torch.inference_mode():
        words = Lexicon() if lexicon is None else _lexicon(lexicon, file_sha256(lexicon))
        tensors = clip_tensors(waveform, sample_rate, text, language, words, load_encoders(base, weights))
        embedding = speaker_judge(speaker).embed(waveform, sample_rate)
    save_file(tensors, out_file)
    return ExtractedClip(len(tensors["phoneme_ids"]), len(tensors["semantic_tokens"]), tuple(embedding.tolist()))


@functools.lru_cache(maxsize=1)
def _lexicon(path: Path, sha256: str) -> Lexicon:
    """Load a lexicon, once per process and content: a worker of a cluster outlives the stage that wrote it."""
    return load_lexicon(path)


@functools.lru_cache(maxsize=1)
def load_encoders(base_name: str, weights: tuple[str, ...]) -> Encoders:
    """Load the encoders of a base model, once per process and state of its weights."""
    base = load_base(base_name)
    return Encoders(
        base.build_content_encoder(),
        base.build_sovits(),
        load_speaker_encoder(shared_part("speaker_encoder")) if base.sovits_config.speaker_dim else None,
    )


def speaker_judge(name: str) -> SpeakerJudge:
    """Return a speaker judge, which a process loads once, and again where its weights were replaced."""
    return _load_speaker_judge(name, weights_stamp(name))


@functools.lru_cache(maxsize=1)
def _load_speaker_judge(name: str, stamp: tuple[tuple[str, int, int], ...]) -> SpeakerJudge:
    return load_speaker_judge(name, judge_weights(name))


def speaker_version(name: str) -> str:
    """Return the package and weights of a speaker judge."""
    return speaker_judge(name).version


def clip_tensors(
    samples: np.ndarray, sample_rate: int, text: str, language: str, lexicon: Lexicon, encoders: Encoders
) -> dict[str, torch.Tensor]:
    """Return the features of one clip, as the networks of gpt_sovits/adaptation take them.

    Args:
        samples: (n,) float32 in [-1, 1].
        sample_rate: in Hz.
        text: what is said in the clip.
        language: ISO 639 code of the text.
        lexicon: the voice's own words.
        encoders: what the features are extracted with.

    Returns:
        phoneme_ids (X,), ssl_features (ssl_dim, T), semantic_tokens (T // 2,), waveform (T * hop_length,) and
        spectrogram (n_fft // 2 + 1, T), where T is even and there are 50 frames per second. With a speaker encoder also
        speaker_embedding (speaker_dim,).
    """
    config = encoders.sovits.config
    content = torch.from_numpy(resample(samples, sample_rate, CONTENT_SAMPLE_RATE))
    speech = torch.from_numpy(resample(samples, sample_rate, config.sample_rate))
    ssl_features = extract_ssl_features(encoders.content_encoder, content[None])[0]
    # only whole semantic tokens, of two frames each; resampling may differ by a frame between the two rates
    n_frames = min(ssl_features.shape[1], len(speech) // config.hop_length) // 2 * 2
    ssl_features, speech = ssl_features[:, :n_frames].contiguous(), speech[: n_frames * config.hop_length].contiguous()
    tensors = {
        "phoneme_ids": torch.tensor(phonemize(text, language, lexicon).ids),
        "ssl_features": ssl_features,
        "semantic_tokens": encoders.sovits.semantic_tokens(ssl_features[None])[0],
        "waveform": speech,
        "spectrogram": linear_spectrogram(speech[None], config.n_fft, config.hop_length)[0].contiguous(),
    }
    if encoders.speaker_encoder is not None:
        tensors["speaker_embedding"] = speaker_embedding(encoders.speaker_encoder, content, CONTENT_SAMPLE_RATE)
    return tensors
