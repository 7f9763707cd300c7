"""Trains the small ECAPA: `python -m metrics.judges.ecapa_small.train --shared DIR --out DIR`.

It uses AAM-softmax (Deng et al. 2019, arxiv.org/abs/1801.07698) over the training speakers at every speed, with each
crop in a new simulated session. The data of a step depend only on (seed, step), so a stopped run continues as if it had
never stopped. Every tenth speaker is held out and watched during training. Nothing is chosen on
librispeech_speakers/test.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from metrics.judges.ecapa_small.augment import mask_features, new_sessions
from metrics.judges.ecapa_small.config import (
    CONFIG_FILE,
    HERE,
    WEIGHTS_FILE,
    EcapaConfig,
    TrainConfig,
    config_json,
    load_config,
)
from metrics.judges.ecapa_small.data import Speaker, crop, random_crops, speakers_at_speeds, train_files
from metrics.judges.ecapa_small.model import build_model, log_mel_features
from metrics.judges.ecapa_small.trials import all_pairs, equal_error_rate

N_THREADS = 1  # fixed: the thread count changes the order of sums, and with it the last bits
VALIDATION_CROP_SECONDS = 3.0
RESUME_FILE = "resume.safetensors"


class AngularMargin(nn.Module):
    """AAM-softmax. The class weights are directions, and the right class must win by an angle."""

    def __init__(self, embedding_size: int, n_classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Compute the loss.

        Args:
            embeddings: (B, D).
            labels: (B,) classes.
            margin: angle in radians.

        Returns:
            The loss, and the share of crops whose nearest class is right.
        """
        cosine = F.linear(F.normalize(embeddings), F.normalize(self.weight))  # (B, n_classes)
        angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        target = F.one_hot(labels, cosine.shape[1]).bool()
        harder = (angle + margin).clamp_max(math.pi).cos()
        loss = F.cross_entropy(self.scale * torch.where(target, harder, cosine), labels)
        return loss, (cosine.argmax(dim=1) == labels).float().mean()


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine down to 1 % of the peak."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the source of all randomness of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def validation_crops(speakers: list[Speaker], sample_rate: int, seed: int) -> tuple[Tensor, Tensor, list[str]]:
    """Cut the held-out speakers into disjoint crops.

    Args:
        speakers: the held-out speakers.
        sample_rate: in Hz.
        seed: seed of the simulated sessions.

    Returns:
        (n, n_samples) clean crops, the same crops each in its own simulated session, and the speaker of each crop.
    """
    n_samples = int(VALIDATION_CROP_SECONDS * sample_rate)
    crops, names = [], []
    for speaker in speakers:
        for start in range(0, len(speaker.samples) - n_samples + 1, n_samples):
            crops.append(crop(speaker.samples, n_samples, start))
            names.append(speaker.name)
    clean = torch.stack(crops)
    return clean, new_sessions(clean, step_generator(seed, -1)), names


@torch.no_grad()
def validate(model: nn.Module, features: Tensor, names: list[str]) -> float:
    """Return the equal error rate over all pairs of held-out crops."""
    model.eval()
    embeddings = F.normalize(model(features).squeeze(1)).numpy()
    model.train()
    return equal_error_rate(all_pairs(embeddings, names))[0]


def save_atomic(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write safetensors under a temporary name, then move the file into place.

    Args:
        tensors: what to write.
        path: the file.
        metadata: at most one key, because safetensors writes several in a random order and the bytes would differ.
    """
    temporary = path.with_name(path.name + ".tmp")
    save_file({name: t.detach().contiguous() for name, t in tensors.items()}, temporary, metadata=metadata)
    temporary.replace(path)


def write_atomic(text: str, path: Path) -> None:
    """Write a text file under a temporary name, then move it into place."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def fingerprint(config: EcapaConfig, files: list[Path]) -> str:
    """Hash what a resumed run must share with the stopped one: the config and the training files."""
    names = [path.name for path in files]
    text = json.dumps([dataclasses.asdict(dataclasses.replace(config, weights_sha256="")), names])
    return hashlib.sha256(text.encode()).hexdigest()


def save_resume(
    path: Path, step: int, run: str, model: nn.Module, head: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Save everything that is needed to continue after `step` steps.

    Batches need no state, because they follow from the step.

    Args:
        path: the file.
        step: steps that are done.
        run: fingerprint of the run.
        model: the network.
        head: the loss with its class weights.
        optimizer: its state is saved.
    """
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    tensors |= {f"head.{name}": t for name, t in head.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    tensors["step"] = torch.tensor(step)
    save_atomic(tensors, path, {"run": run})


def load_resume(path: Path, run: str, model: nn.Module, head: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the state of a stopped run into the model, head and optimiser.

    Args:
        path: the file.
        run: fingerprint of the run.
        model: the network.
        head: the loss with its class weights.
        optimizer: gets the saved state.

    Returns:
        The number of steps that are done, 0 without a saved state.

    Raises:
        ValueError: the state belongs to another run.
    """
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as file:
        found = file.metadata()["run"]
    if found != run:
        raise ValueError(f"{path} is the state of another config or other training clips; delete it first")
    tensors = load_file(path)
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    head.load_state_dict({n.removeprefix("head."): t for n, t in tensors.items() if n.startswith("head.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(tensors["step"])


def train(config: EcapaConfig, shared: Path, out: Path, report_every: int = 100) -> None:
    """Train to config.training.n_steps, then write OUT/weights.safetensors (float16) and OUT/config.json.

    Args:
        config: features, sizes and training.
        shared: folder that holds data/librispeech_speakers.
        out: gets the weights, the config and, until training ends, the state to resume from.
        report_every: steps between reports and saved states.
    """
    torch.set_num_threads(N_THREADS)
    torch.manual_seed(config.training.seed)
    settings, rate = config.training, config.features.sample_rate
    files = train_files(shared)
    nth = settings.validation_every_nth_speaker
    held_out = speakers_at_speeds(files[::nth], (1.0,), rate)
    speakers = speakers_at_speeds([f for i, f in enumerate(files) if i % nth], settings.speeds, rate)
    extract = log_mel_features(config.features)
    clean, sessions, names = validation_crops(held_out, rate, settings.seed)
    clean_features, session_features = extract(clean), extract(sessions)

    model = build_model(config.model, config.features.n_mels).train()
    head = AngularMargin(config.model.embedding_size, len(speakers), settings.scale)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], weight_decay=settings.weight_decay)
    out.mkdir(parents=True, exist_ok=True)
    resume, run = out / RESUME_FILE, fingerprint(config, files)
    first = load_resume(resume, run, model, head, optimizer)
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters / 1e6:.2f} M parameters, {len(speakers)} classes, {len(names)} validation crops", flush=True)

    started, cpu_started = time.monotonic(), time.process_time()
    for step in range(first, settings.n_steps):
        generator = step_generator(settings.seed, step)
        n_samples = int(settings.crop_seconds[step % len(settings.crop_seconds)] * rate)
        labels = torch.randperm(len(speakers), generator=generator)[: settings.batch_size]
        # with hard sessions and a margin from the start, it learns nothing
        ramp = min(1.0, step / settings.ramp_steps)
        waveforms = new_sessions(
            random_crops(speakers, labels, n_samples, generator), generator, settings.session_share * ramp
        )
        features = mask_features(extract(waveforms), generator)
        with torch.autocast("cpu", torch.bfloat16):  # 1.8 times as fast; weights and loss stay in float32
            embeddings = model(features).squeeze(1)
        loss, accuracy = head(embeddings.float(), labels, settings.margin * ramp)
        _optimise(loss, model, optimizer, learning_rate(step, settings))
        done = step + 1
        if done % report_every == 0 or done == settings.n_steps:
            eers = validate(model, clean_features, names), validate(model, session_features, names)
            seconds, cpu = time.monotonic() - started, time.process_time() - cpu_started
            print(
                f"step {done}/{settings.n_steps} loss {loss.item():.3f} accuracy {accuracy.item():.2f} "
                f"held-out speakers EER {eers[0]:.3f}, other sessions {eers[1]:.3f} "
                f"({seconds:.0f} s, {cpu:.0f} CPU s, {(done - first) / seconds:.2f} steps/s)",
                flush=True,
            )
            save_resume(resume, done, run, model, head, optimizer)

    _save_trained(model, config, out)
    resume.unlink(missing_ok=True)


def _optimise(loss: Tensor, model: nn.Module, optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make one optimiser step with this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)  # gradients of early AAM steps are sometimes huge
    optimizer.step()


def _save_trained(model: nn.Module, config: EcapaConfig, out: Path) -> None:
    """Write the weights in float16, and the config with their hash."""
    path = out / WEIGHTS_FILE
    save_atomic({n: t.half() if t.is_floating_point() else t for n, t in model.state_dict().items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write_atomic(config_json(dataclasses.replace(config, weights_sha256=digest)), out / CONFIG_FILE)
    print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB, sha256 {digest})")


def main(arguments: list[str] | None = None) -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description="Train the small ECAPA speaker judge.")
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds data/librispeech_speakers/train")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for weights.safetensors and config.json")
    parser.add_argument("--config", type=Path, default=HERE, help="folder of the config.json to train")
    parser.add_argument("--steps", type=int, help="another number of steps than config.json says")
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    if options.steps:
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, n_steps=options.steps))
    train(config, options.shared, options.out)


if __name__ == "__main__":
    main()
