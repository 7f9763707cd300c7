"""Stage content_encoder: a small HuBERT learns to classify the phone of each 20 ms of speech.

    python -m starter.content_encoder

The loss is frame-wise cross entropy on crops of the synthetic voices (true labels) and of real speakers (labels of the
stage speech). The crops are stretched and disturbed, so that the encoder learns the sound and not the speaker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.content_encoder.encoder import CONTENT_SAMPLE_RATE, SAMPLES_PER_FRAME, build_content_encoder
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.augment import disturb, stretch
from starter.phones import PHONES
from starter.settings import ContentEncoderSettings, load_settings, stage_folder
from starter.speech import held_out_sets, training_voices
from starter.store import Utterance
from starter.training import Average, Losses, Task, optimizer_step, train

FRAME_SECONDS = SAMPLES_PER_FRAME / CONTENT_SAMPLE_RATE
WINDOW_REST = 240  # samples by which the last frame's window exceeds its 320, see extract_ssl_features


class Crops:
    """Batches of stretched and disturbed crops with one label per frame. The batch of a step is always the same."""

    def __init__(self, voices: Mapping[str, Sequence[Utterance]], settings: ContentEncoderSettings) -> None:
        self.voices, self.settings = dict(voices), settings
        self.names = list(voices)
        shares = np.array([settings.shares.get(name, settings.shares["others"]) for name in self.names])
        self.shares = shares / shares.sum()
        self.n_frames = round(settings.crop_seconds / FRAME_SECONDS)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step: (B, n_samples) float32 and labels (B, n_frames) int64."""
        random = np.random.default_rng(derive_seed("content encoder", step))
        pairs = [self._crop(random) for _ in range(self.settings.batch_size)]
        return torch.from_numpy(np.stack([p[0] for p in pairs])), torch.from_numpy(np.stack([p[1] for p in pairs]))

    def _piece(self, random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return n samples of a random voice and the label of each 5 ms, padded with silence."""
        voice = self.voices[self.names[random.choice(len(self.names), p=self.shares)]]
        utterance = voice[random.integers(len(voice))]
        start = int(random.integers(0, max(1, len(utterance.waveform) - n)))
        start -= start % 80
        labels = utterance.labels(len(utterance.waveform) // 80, 0.005)[start // 80 : (start + n) // 80]
        waveform = utterance.waveform[start : start + n].astype(np.float32) / 32768
        return np.pad(waveform, (0, n - len(waveform))), np.pad(labels, (0, n // 80 - len(labels)))

    def _crop(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        ratio = float(np.exp(random.uniform(-1, 1) * np.log(self.settings.largest_stretch)))
        n = self.n_frames * SAMPLES_PER_FRAME
        n_source = (int(n * ratio) // 80 + 2) * 80
        waveform, labels = self._piece(random, n_source)
        other, _ = self._piece(random, n)
        stretched = stretch(waveform, ratio)[:n]
        middles = (np.arange(self.n_frames) + 0.5) * FRAME_SECONDS * ratio
        return (
            np.pad(disturb(stretched, other, random), (0, WINDOW_REST)),
            labels[np.minimum((middles / 0.005).astype(int), len(labels) - 1)],
        )


@torch.no_grad()
def frame_errors(encoder: nn.Module, sets: Mapping[str, Sequence[Utterance]]) -> Losses:
    """Return the share of wrongly classified frames of each set of utterances, undisturbed."""
    errors = {}
    for name, utterances in sets.items():
        wrong = total = 0
        for one in utterances:
            n = len(one.waveform) // SAMPLES_PER_FRAME
            waveform = torch.from_numpy(one.waveform[: n * SAMPLES_PER_FRAME].astype(np.float32) / 32768)
            predicted = encoder(F.pad(waveform, (0, WINDOW_REST))[None]).logits[0].argmax(dim=1).numpy()
            wrong += int((predicted != one.labels(n, FRAME_SECONDS)).sum())
            total += n
        errors[f"frame_error_{name}"] = wrong / total
    return errors


def start_filters(encoder: nn.Module, crops: Crops) -> None:
    """Set the first convolution to the tuned filters of scratch.py, all equally loud on speech."""
    from starter.scratch import tune_filters

    tune_filters(encoder.hubert)
    first = encoder.hubert.feature_extractor.conv_layers[0].conv
    with torch.no_grad():
        waveforms, _ = crops.batch(-1)
        first.weight /= first(waveforms[:, None]).std(dim=(0, 2))[:, None, None]


def main() -> None:
    """Train the content encoder and save its average."""
    settings = load_settings().content_encoder
    voices, held_out = training_voices(), held_out_sets()
    crops = Crops(voices, settings)
    with deterministic(settings.seed, settings.n_threads):
        config = settings.network | {"architectures": ["HubertForCTC"], "vocab_size": len(PHONES)}
        encoder = build_content_encoder(config).train().requires_grad_(True)
        start_filters(encoder, crops)
        average = Average(encoder, settings.average_decay)
        optimizer = torch.optim.AdamW(
            encoder.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )

        def learn(batch: tuple[Tensor, Tensor], step: int) -> Losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
                logits = encoder(batch[0]).logits
            loss = F.cross_entropy(logits.float().transpose(1, 2), batch[1], label_smoothing=settings.label_smoothing)
            norm = optimizer_step(optimizer, loss, settings.gradient_clip_norm)
            average.update(encoder, step)
            return {"loss": loss.item(), "norm": norm}

        folder = stage_folder("content_encoder")
        task = Task(
            name="content_encoder",
            settings=settings,
            modules={"encoder": encoder, "average": average.module},
            optimizers={"adamw": optimizer},
            make_batch=crops.batch,
            learn=learn,
            evaluate=lambda _: frame_errors(average.module, held_out),
            folder=folder,
            inputs={"voices": {name: len(voice) for name, voice in voices.items()}},
        )
        train(task)
        save_checkpoint(folder / "content_encoder", "content_encoder", config, average.module.state_dict())


if __name__ == "__main__":
    main()
