"""Stage features: extract everything that the models are trained on, and choose the reference clip of the voice."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file

from gpt_sovits.audio import load_audio, resample, to_mono
from gpt_sovits.content_encoder import CONTENT_SAMPLE_RATE, extract_ssl_features
from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram
from gpt_sovits.speaker_encoder import SpeakerEncoder, load_speaker_encoder, speaker_embedding
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from gpt_sovits.weights.base import load_base, shared_part
from metrics.judges.speaker import load_speaker_judge
from stages.clip_audio import clip_file
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.execution.progress import report_progress
from stages.params import Params, load_params
from stages.profiles import PROFILES, judge_weights, require_learned
from stages.tables import AlignedClip, FeatureClip, VoiceReference, read_table, write_json, write_table

if TYPE_CHECKING:
    from transformers import HubertModel


@dataclass(frozen=True, eq=False)
class Encoders:
    """What turns a clip and its text into features.

    Attributes:
        lexicon: the voice's own words.
        content_encoder: gives content features (SSL features).
        sovits: gives semantic tokens.
        speaker_encoder: gives speaker embeddings, for a SoVITS that takes them (v2Pro, v2ProPlus).
    """

    lexicon: Lexicon
    content_encoder: HubertModel
    sovits: SoVITS
    speaker_encoder: SpeakerEncoder | None = None


def features(clips_dir: Path, aligned_dir: Path, manifest_dir: Path, out_dir: Path, params: Params) -> None:
    """Write tensors/CLIP_ID.safetensors, clips.jsonl, reference.json, speaker.safetensors and the voice's lexicon.yaml.

    Args:
        clips_dir: output of the stage segment.
        aligned_dir: output of the stage align.
        manifest_dir: output of the stage ingest, which holds the lexicon if the voice has one.
        out_dir: an empty folder for the outputs.
        params: all of params.yaml.
    """
    clips = [clip for clip in read_table(aligned_dir / "clips.jsonl", AlignedClip) if clip.kept]
    profile = PROFILES[params.profile]
    for language in sorted({clip.language for clip in clips}):
        require_learned(profile.base, language)
    (out_dir / "tensors").mkdir()
    with deterministic(seed=0, n_threads=params.features.n_threads), torch.inference_mode():
        base = load_base(profile.base)
        encoders = Encoders(
            _copy_lexicon(manifest_dir, out_dir),
            base.build_content_encoder(),
            base.build_sovits(),
            load_speaker_encoder(shared_part("speaker_encoder")) if base.sovits_config.speaker_dim else None,
        )
        judge = load_speaker_judge(profile.speaker, judge_weights(profile.speaker))
        rows, embeddings = [], []
        for clip in report_progress(clips, len(clips), "features: {} clips"):
            waveform = _clip_waveform(clip_file(clip, clips_dir, aligned_dir))
            tensors = clip_tensors(waveform, clip.text, clip.language, encoders)
            embedding = judge.embed(*waveform)
            save_file(tensors, out_dir / "tensors" / f"{clip.clip_id}.safetensors")
            embeddings.append(embedding)
            rows.append((clip, len(tensors["phoneme_ids"]), len(tensors["semantic_tokens"])))

    centroid = _centroid(
        [
            embedding
            for embedding, (clip, *_) in zip(embeddings, rows, strict=True)
            if clip.split == "train" and not clip.speaker  # other speakers would move the centre
        ]
    )
    table = [
        FeatureClip(
            clip_id=clip.clip_id,
            split=clip.split,
            text=clip.text,
            seconds=clip.seconds,
            n_phonemes=n_phonemes,
            n_tokens=n_tokens,
            similarity=float(embedding @ centroid),
            language=clip.language,
        )
        for (clip, n_phonemes, n_tokens), embedding in zip(rows, embeddings, strict=True)
    ]
    write_table(out_dir / "clips.jsonl", table)
    write_json(out_dir / "reference.json", choose_reference(table, params).model_dump())
    save_file({"centroid": torch.from_numpy(centroid)}, out_dir / "speaker.safetensors")


def clip_tensors(
    waveform: tuple[np.ndarray, int], text: str, language: str, encoders: Encoders
) -> dict[str, torch.Tensor]:
    """Return the features of one clip, as the networks of gpt_sovits/adaptation take them.

    Args:
        waveform: (samples (n,) float32 in [-1, 1], sample rate in Hz).
        text: what is said in the clip.
        language: ISO 639 code of the text.
        encoders: what the features are extracted with.

    Returns:
        phoneme_ids (X,), ssl_features (ssl_dim, T), semantic_tokens (T // 2,), waveform (T * hop_length,) and
        spectrogram (n_fft // 2 + 1, T), where T is even and there are 50 frames per second. With a speaker encoder also
        speaker_embedding (speaker_dim,).
    """
    samples, sample_rate = waveform
    config = encoders.sovits.config
    content = torch.from_numpy(resample(samples, sample_rate, CONTENT_SAMPLE_RATE))
    speech = torch.from_numpy(resample(samples, sample_rate, config.sample_rate))
    ssl_features = extract_ssl_features(encoders.content_encoder, content[None])[0]
    # only whole semantic tokens, of two frames each; resampling may differ by a frame between the two rates
    n_frames = min(ssl_features.shape[1], len(speech) // config.hop_length) // 2 * 2
    ssl_features, speech = ssl_features[:, :n_frames].contiguous(), speech[: n_frames * config.hop_length].contiguous()
    tensors = {
        "phoneme_ids": torch.tensor(phonemize(text, language, encoders.lexicon).ids),
        "ssl_features": ssl_features,
        "semantic_tokens": encoders.sovits.semantic_tokens(ssl_features[None])[0],
        "waveform": speech,
        "spectrogram": linear_spectrogram(speech[None], config.n_fft, config.hop_length)[0].contiguous(),
    }
    if encoders.speaker_encoder is not None:
        tensors["speaker_embedding"] = speaker_embedding(encoders.speaker_encoder, content, CONTENT_SAMPLE_RATE)
    return tensors


def choose_reference(clips: list[FeatureClip], params: Params) -> VoiceReference:
    """Choose the training clip of reference length whose speaker embedding is nearest to the voice's centroid.

    Of equals, the highest clip id is chosen.

    Raises:
        ValueError: no training clip has the length of a reference.
    """
    shortest, longest = params.features.reference_min_seconds, params.features.reference_max_seconds
    training = [clip for clip in clips if clip.split == "train"]
    fitting = [clip for clip in training if shortest <= clip.seconds <= longest]
    if not fitting:
        raise ValueError(
            f"none of the {len(training)} training clips is {shortest} to {longest} s long, so no clip can be the "
            "reference; widen features.reference_min_seconds and reference_max_seconds, or record longer sentences"
        )
    best = max(fitting, key=lambda clip: (clip.similarity, clip.clip_id))
    return VoiceReference(
        clip_id=best.clip_id,
        text=best.text,
        seconds=best.seconds,
        similarity=best.similarity,
        seconds_per_phoneme=sum(clip.seconds for clip in training) / sum(clip.n_phonemes for clip in training),
        language=best.language,
    )


def _copy_lexicon(manifest_dir: Path, out_dir: Path) -> Lexicon:
    """Load the voice's own words and keep them with the features, so that they are read the same way later."""
    path = manifest_dir / LEXICON_FILE
    if not path.is_file():
        return Lexicon()
    shutil.copyfile(path, out_dir / LEXICON_FILE)
    return load_lexicon(path)


def _clip_waveform(path: Path) -> tuple[np.ndarray, int]:
    samples, sample_rate = load_audio(path)
    return to_mono(samples), sample_rate


def _centroid(embeddings: list[np.ndarray]) -> np.ndarray:
    """Return the (D,) float32 unit-norm mean of unit-norm embeddings."""
    if not embeddings:
        raise ValueError("no training clip was kept; the reasons are in the clips.jsonl of the align stage")
    mean = np.mean(embeddings, axis=0, dtype=np.float64)
    return (mean / np.linalg.norm(mean)).astype(np.float32)


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.features", description="extract what models are trained on")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--aligned", type=Path, required=True, help="data/3_aligned/VOICE")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/4_features/VOICE")
    arguments = parser.parse_args()
    with stage_output(arguments.out, "features", arguments.out.name) as folder:
        features(arguments.clips, arguments.aligned, arguments.manifest, folder, load_params())


if __name__ == "__main__":
    run_stage(main)
