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
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
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
from metrics.judges.ecapa_small.data import Speaker, crop, random_crops, train_files
from metrics.judges.ecapa_small.files import save_atomic, write_atomic
from metrics.judges.ecapa_small.losses import Distillation
from metrics.judges.ecapa_small.model import build_model, log_mel_features
from metrics.judges.ecapa_small.trials import all_pairs, equal_error_rate
from metrics.judges.ecapa_small.voices import Teacher, load_or_make_speakers
from metrics.judges.ge2e import Ge2e

N_THREADS = 1  # fixed: the thread count changes the order of sums, and with it the last bits
VALIDATION_CROP_SECONDS = 3.0
RESUME_FILE = "resume.safetensors"
VOICES_FILE = "voices.safetensors"
HELD_OUT_FILE = "held_out.safetensors"
N_AHEAD = 3  # batches that are made ahead of the network


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine down to 1 % of the peak."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the source of all randomness of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def cut_crops(speakers: list[Speaker], n_samples: int) -> tuple[Tensor, list[str]]:
    """Cut speakers into disjoint crops.

    Returns:
        (n, n_samples) float in [-1, 1], and the speaker of each crop.
    """
    crops, names = [], []
    for speaker in speakers:
        for start in range(0, len(speaker.samples) - n_samples + 1, n_samples):
            crops.append(crop(speaker.samples, n_samples, start))
            names.append(speaker.name)
    return torch.stack(crops), names


def watched_crops(
    held_out: list[Speaker], extract: Callable[[Tensor], Tensor], config: EcapaConfig
) -> dict[str, tuple[Tensor, list[str]]]:
    """Return the features and speakers of the held-out crops that are watched during training, by a short name."""
    rate = config.features.sample_rate
    short, short_names = cut_crops(held_out, int(VALIDATION_CROP_SECONDS / 2 * rate))
    clean, names = cut_crops(held_out, int(VALIDATION_CROP_SECONDS * rate))
    damaged = new_sessions(clean, step_generator(config.training.seed, -1))
    return {
        "short": (extract(short), short_names),
        "clean": (extract(clean), names),
        "other sessions": (extract(damaged), names),
    }


@torch.no_grad()
def validate(model: nn.Module, features: Tensor, names: list[str]) -> float:
    """Return the equal error rate over all pairs of held-out crops."""
    model.eval()
    embeddings = F.normalize(model(features).squeeze(1)).numpy()
    model.train()
    return equal_error_rate(all_pairs(embeddings, names))[0]


def fingerprint(config: EcapaConfig, speakers: list[Speaker]) -> str:
    """Hash what a resumed run must share with the stopped one: the config and the training voices."""
    names = [[speaker.name, len(speaker.samples)] for speaker in speakers]
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


def batches(
    speakers: list[Speaker], extract: Callable[[Tensor], Tensor], settings: TrainConfig, rate: int, first: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the features (B, n_frames, n_mels) and labels (B,) of every step from `first` on.

    A second thread makes the next batches while the network learns. They depend only on the step.
    """

    def make(step: int) -> tuple[Tensor, Tensor]:
        torch.set_num_threads(N_THREADS)
        generator = step_generator(settings.seed, step)
        n_samples = int(settings.crop_seconds[step % len(settings.crop_seconds)] * rate)
        labels = torch.randperm(len(speakers), generator=generator)[: settings.batch_size]
        share = settings.session_share * ramp(step, settings)
        waveforms = new_sessions(random_crops(speakers, labels, n_samples, generator), generator, share)
        return mask_features(extract(waveforms), generator), labels

    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[tuple[Tensor, Tensor]]] = deque()
        for step in range(first, settings.n_steps):
            while len(waiting) < N_AHEAD and step + len(waiting) < settings.n_steps:
                waiting.append(pool.submit(make, step + len(waiting)))
            yield waiting.popleft().result()


def ramp(step: int, settings: TrainConfig) -> float:
    """Return how far margin and sessions have risen, 0 to 1. With both from the start, little is learnt."""
    return min(1.0, step / settings.ramp_steps)


def load_voices(config: EcapaConfig, shared: Path, out: Path) -> tuple[list[Speaker], list[Speaker]]:
    """Return the training voices and the held-out speakers, with the teacher's embeddings.

    Args:
        config: names the variants and what is held out.
        shared: folder that holds data/librispeech_speakers.
        out: keeps both until the end of the training.
    """
    files, settings, rate = train_files(shared), config.training, config.features.sample_rate
    nth = settings.validation_every_nth_speaker
    trained = [file for index, file in enumerate(files) if index % nth]
    teacher = load_teacher()
    return (
        load_or_make_speakers(out / VOICES_FILE, trained, settings.variants, rate, teacher),
        load_or_make_speakers(out / HELD_OUT_FILE, files[::nth], ((1.0, 1.0),), rate, teacher),
    )


def load_teacher() -> Teacher:
    """Return the teacher's embedding function. Raise JudgeUnavailableError where it is not installed."""
    return Ge2e().embed


def load_start(model: nn.Module, sha256: str, path: Path | None) -> None:
    """Load the weights of the stage before into the network.

    Args:
        model: the network.
        sha256: what the hash of the file must be. Empty: the training starts from random weights.
        path: the file. None where there was no stage before.

    Raises:
        ValueError: a file is missing, not wanted, or another one.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    if found != sha256:
        raise ValueError(
            f"the weights to start from have sha256 {found!r} and training.start_sha256 is {sha256!r}; pass the "
            "weights of the stage before with --start, or leave both out"
        )
    if path:
        model.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in load_file(path).items()})


def train(config: EcapaConfig, shared: Path, out: Path, report_every: int = 100, start: Path | None = None) -> None:
    """Train to config.training.n_steps, then write OUT/weights.safetensors (float16) and OUT/config.json.

    Args:
        config: features, sizes and training.
        shared: folder that holds data/librispeech_speakers.
        out: gets the weights, the config and, until training ends, the state to resume from.
        report_every: steps between reports and saved states.
        start: the weights of the stage before, where config.training.start_sha256 names them.
    """
    torch.set_num_threads(N_THREADS)
    out.mkdir(parents=True, exist_ok=True)
    settings = config.training
    speakers, held_out = load_voices(config, shared, out)
    extract = log_mel_features(config.features)
    watched = watched_crops(held_out, extract, config)

    torch.manual_seed(settings.seed)
    model = build_model(config.model, config.features.n_mels).train()
    load_start(model, settings.start_sha256, start)
    targets = torch.stack([speaker.target for speaker in speakers])
    head = Distillation(targets, config.model.embedding_size, settings)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], weight_decay=settings.weight_decay)
    resume, run = out / RESUME_FILE, fingerprint(config, speakers)
    first = load_resume(resume, run, model, head, optimizer)
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters / 1e6:.2f} M parameters, {len(speakers)} classes, {len(held_out)} held out", flush=True)

    started, cpu_started = time.monotonic(), time.process_time()
    steps = range(first, settings.n_steps)
    made = batches(speakers, extract, settings, config.features.sample_rate, first)
    for step, (features, labels) in zip(steps, made, strict=True):
        with torch.autocast("cpu", torch.bfloat16):  # 1.8 times as fast; weights and loss stay in float32
            embeddings = model(features).squeeze(1)
        loss, parts = head(embeddings.float(), labels, settings.margin * ramp(step, settings))
        _optimise(loss, model, optimizer, learning_rate(step, settings))
        done = step + 1
        if done % report_every == 0 or done == settings.n_steps:
            seconds, cpu = time.monotonic() - started, time.process_time() - cpu_started
            rates = ", ".join(f"{name} {validate(model, *crops):.3f}" for name, crops in watched.items())
            print(
                f"step {done}/{settings.n_steps} labels {parts.labels.item():.3f} direction "
                f"{parts.direction.item():.3f} relations {parts.relations.item():.4f}; held-out EER: {rates} "
                f"({seconds:.0f} s, {cpu:.0f} CPU s)",
                flush=True,
            )
            save_resume(resume, done, run, model, head, optimizer)

    _save_trained(model, config, out)
    for name in (RESUME_FILE, VOICES_FILE, HELD_OUT_FILE):
        (out / name).unlink(missing_ok=True)


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
    parser.add_argument("--start", type=Path, help="weights of the stage before, see training.start_sha256")
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    if options.steps:
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, n_steps=options.steps))
    train(config, options.shared, options.out, start=options.start)


if __name__ == "__main__":
    main()
