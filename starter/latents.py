"""Stage latents: what stage prior learns to predict, computed once with the frozen autoencoder.

    python -m starter.latents

For every utterance of tokens.jsonl, at the speed that it has there: the posterior of each frame, and some style
embeddings of other speech of the same speaker. Without them, a step of the prior would spend most of its time on
spectrograms and on the posterior encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import Tensor

from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.model import SoVITS, SoVITSConfig
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights
from starter.settings import LatentSettings, load_settings, stage_folder
from starter.sovits_data import spectrogram
from starter.store import SAMPLE_RATE, Utterance
from starter.tokens import change_speed, read_tokens
from starter.voices import read_trained_on, read_voice


def load_sovits(folder: Path, name: str) -> SoVITS:
    """Load the SoVITS that a stage saved in its folder. Errors mention `name`."""
    config, state = load_checkpoint(folder / "sovits", "sovits")
    model = SoVITS(SoVITSConfig.from_dict(config))
    load_weights(model, state, name)
    return model


@dataclass(frozen=True)
class Latents:
    """The posteriors and styles of all rows of tokens.jsonl.

    Attributes:
        mean: (n_frames of all rows, latent_channels) float16.
        log_deviation: The same shape.
        starts: (n_rows + 1,) the first frame of each row.
        styles: (n_rows, n_styles, style_channels) float32.
    """

    mean: np.ndarray
    log_deviation: np.ndarray
    starts: np.ndarray
    styles: np.ndarray

    def posterior(self, row: int, first: int, n_frames: int) -> tuple[Tensor, Tensor]:
        """Return mean and log deviation of frames of a row, (latent_channels, n_frames) float32 each."""
        part = slice(self.starts[row] + first, self.starts[row] + first + n_frames)
        return tuple(torch.from_numpy(values[part].T.astype(np.float32)) for values in (self.mean, self.log_deviation))


def read_latents() -> Latents:
    """Return what the stage wrote."""
    return Latents(**load_file(stage_folder("latents") / "latents.safetensors"))


@torch.inference_mode()
def style_of(model: SoVITS, waveform: np.ndarray) -> Tensor:
    """Return the style (1, style_channels, 1) of (n_samples,) int16."""
    samples = torch.from_numpy(waveform.astype(np.float32) / 32768)
    return model.style_embedding(spectrogram(samples[None], model.config))


@torch.inference_mode()
def posterior_of(model: SoVITS, waveform: np.ndarray, style: Tensor, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and log deviation, (n_frames, latent_channels) float16 each, of (n_samples,) int16."""
    samples = torch.from_numpy(waveform.astype(np.float32) / 32768)[None]
    spectrograms = model.prepare_spectrogram(spectrogram(samples, model.config))[:, :, :n_frames]
    mask = torch.ones(1, 1, n_frames)
    noise = torch.zeros(1, model.config.latent_channels, n_frames)
    _, mean, log_deviation = model.enc_q(spectrograms, mask, style, noise)
    return tuple(values[0].T.contiguous().numpy().astype(np.float16) for values in (mean, log_deviation))


def draw_style_speech(
    speech: Sequence[Utterance], name: str, ratio: float, settings: LatentSettings
) -> Iterator[np.ndarray]:
    """Yield n_styles random pieces of a speaker's speech, played `ratio` times as fast, (n_samples,) int16 each."""
    random = np.random.default_rng(derive_seed("style", settings.seed, name))
    for _ in range(settings.n_styles):
        waveform = change_speed(speech[random.integers(len(speech))], ratio).waveform
        n = round(random.uniform(*settings.style_seconds) * SAMPLE_RATE)
        start = int(random.integers(0, max(1, len(waveform) - n)))
        yield waveform[start : start + n]


def compute_voice(job: tuple[str, list[Mapping]]) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Return means, log deviations and styles of the rows of one corpus."""
    voice, rows = job
    settings = load_settings().latents
    utterances = {one.name: one for one in read_voice(voice)}
    speech: dict[str, list[Utterance]] = {}
    for one in read_trained_on(voice):
        speech.setdefault(one.voice, []).append(one)
    means, log_deviations, styles = [], [], []
    with deterministic(settings.seed, n_threads=1):
        model = load_sovits(stage_folder("autoencoder"), "autoencoder").eval()
        for row in rows:
            one = utterances[row["name"]]
            pieces = draw_style_speech(speech[one.voice], f"{one.name} {row['ratio']}", row["ratio"], settings)
            found = [style_of(model, piece) for piece in pieces]
            waveform = change_speed(one, row["ratio"]).waveform
            mean, log_deviation = posterior_of(model, waveform, torch.stack(found).mean(dim=0), 2 * len(row["tokens"]))
            means.append(mean)
            log_deviations.append(log_deviation)
            styles.append(torch.cat(found)[:, :, 0].numpy())
    print(f"latents: {voice}", flush=True)
    return means, log_deviations, styles


def main() -> None:
    """Write the latents of every row of tokens.jsonl."""
    settings, folder, rows = load_settings().latents, stage_folder("latents"), read_tokens()
    folder.mkdir(parents=True, exist_ok=True)
    by_voice: dict[str, list[Mapping]] = {}
    for row in rows:
        by_voice.setdefault(row["voice"], []).append(row)
    if [row["name"] for row in rows] != [row["name"] for voice in by_voice.values() for row in voice]:
        raise SystemExit("latents: tokens.jsonl does not keep the rows of a voice together; run stage tokens again")
    with ProcessPoolExecutor(settings.n_threads, get_context("spawn")) as pool:
        parts = list(pool.map(compute_voice, by_voice.items()))
    write_latents(folder, *([one for part in parts for one in part[i]] for i in range(3)))


def write_latents(
    folder: Path, means: Sequence[np.ndarray], log_deviations: Sequence[np.ndarray], styles: Sequence[np.ndarray]
) -> None:
    """Write the posteriors and styles of rows, one entry per row, see Latents."""
    content = {
        "mean": np.concatenate(means),
        "log_deviation": np.concatenate(log_deviations),
        "starts": np.cumsum([0, *map(len, means)]),
        "styles": np.stack(styles),
    }
    partial = folder / "latents.safetensors.partial"
    # safetensors would write an array in another order than C's as it lies in memory, without an error
    save_file({name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in content.items()}, partial)
    partial.replace(folder / "latents.safetensors")


if __name__ == "__main__":
    main()
