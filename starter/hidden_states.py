"""The hidden states of Whisper for every utterance, computed once: Whisper is frozen, and only a head on it learns.

    python -m starter.hidden_states CORPUS...        # or `all`

A corpus has a clean copy, and one of its training utterances stretched and disturbed. A copy is a file of float16, 384
per frame of 20 ms, and one line per utterance. A stopped run continues where it stopped. A copy of another corpus or
of other settings is made again.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gpt_sovits.content_encoder.whisper import FRAME_SAMPLES, SAMPLE_RATE, WhisperHeadConfig, WhisperPosteriors
from gpt_sovits.content_encoder.whisper_weights import WHISPERS
from gpt_sovits.determinism import derive_seed
from starter import voices
from starter.augment import disturb, stretch
from starter.settings import load_settings, stage_folder
from starter.store import Utterance

FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
CLEAN, DISTURBED = "clean", "disturbed"
STRETCHED_SHARE = 0.5  # of the utterances of a disturbed copy
STATES, ROWS, IDENTITY = "states.f16", "rows.jsonl", "identity.json"


class Span(NamedTuple):
    """Where the states of an utterance are, and how fast it was played.

    Attributes:
        first: Its first frame in the file.
        n: Its number of frames.
        ratio: Factor of the speed. A time t of the utterance is at t / ratio in its states.
    """

    first: int
    n: int
    ratio: float


@dataclass(frozen=True)
class HiddenStates:
    """The states of one copy of a corpus.

    Attributes:
        values: (n_frames, width) float16, a memory map.
        spans: The place of each utterance by its name.
    """

    values: np.ndarray
    spans: Mapping[str, Span]

    def of(self, name: str) -> np.ndarray:
        """Return (n, width) float16 of an utterance."""
        span = self.spans[name]
        return self.values[span.first : span.first + span.n]


def training_corpora() -> list[str]:
    """Return the names of the corpora that are trained on."""
    return [*voices.synthetic_voices(), voices.PEOPLE]


def held_out_corpora() -> list[str]:
    """Return the names of the corpora that are for evaluation only."""
    return [voices.STRANGER, load_settings().corpus.stranger, voices.OTHER_PEOPLE, voices.LJ]


def check_corpora(names: Sequence[str]) -> None:
    """Check that corpora are on disk.

    Raises:
        SystemExit: Some are not. The message names them and the commands that make them.
    """
    missing = [name for name in names if not (stage_folder("corpus") / name / "utterances.jsonl").is_file()]
    if not missing:
        return
    flite = [name for name in missing if name in load_settings().corpus.voices]
    people = [name for name in missing if name in (voices.PEOPLE, voices.OTHER_PEOPLE, voices.LJ)]
    kokoro = [name for name in missing if name not in flite + people]
    commands = ["python -m starter.speech"] if people else []
    commands += [f"python -m starter.corpus {name}" for name in flite]
    commands += [f"python -m starter.kokoro {' '.join(kokoro)}"] if kokoro else []
    raise SystemExit(
        f"{stage_folder('corpus')} lacks {len(missing)} of {len(names)} corpora; make them with: {'; '.join(commands)}"
    )


@cache
def whisper() -> WhisperPosteriors:
    """Return the encoder of the settings. Its head is a dummy."""
    name = load_settings().content_encoder.network["encoder"]
    sizes = {"hidden_size": 1, "n_layers": 0, "kernel_size": 1, "vocab_size": 2}
    config = WhisperHeadConfig(encoder=name, encoder_sha256=WHISPERS[name].sha256, **sizes)
    return WhisperPosteriors(config).eval().requires_grad_(False)


@torch.inference_mode()
def hear(waveform: np.ndarray) -> np.ndarray:
    """Return (n_samples // 320, width) float16, the states of (n_samples,) float32 at 16 kHz."""
    return whisper().hidden(torch.from_numpy(waveform)[None])[0].numpy().astype(np.float16)


def clean_waveform(utterance: Utterance) -> np.ndarray:
    """Return (n_samples,) float32 in [-1, 1], cut to whole frames."""
    n = len(utterance.waveform) // FRAME_SAMPLES * FRAME_SAMPLES
    return utterance.waveform[:n].astype(np.float32) / 32768


def disturbed_waveform(
    utterance: Utterance, others: Sequence[Utterance], largest_stretch: float
) -> tuple[np.ndarray, float]:
    """Return (n_samples,) float32 of an utterance, perhaps stretched, and disturbed, and its factor of the speed.

    All random choices follow from the name of the utterance.

    Args:
        utterance: The utterance.
        others: Some of these may be heard as babble.
        largest_stretch: Greatest factor of the speed, up and down.
    """
    random = np.random.default_rng(derive_seed("disturbed states", utterance.name))
    is_stretched = random.random() < STRETCHED_SHARE
    ratio = float(np.exp(random.uniform(-1, 1) * np.log(largest_stretch))) if is_stretched else 1.0
    waveform = clean_waveform(utterance)
    if ratio != 1.0:
        waveform = stretch(waveform, ratio)
        waveform = waveform[: len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES]
    other = clean_waveform(others[random.integers(len(others))])
    return disturb(waveform, np.resize(other, len(waveform)), random), ratio


def compute_states(corpus: str) -> None:
    """Compute the copies of a corpus that are not there yet. Another process that does the same is waited for."""
    settings, utterances = load_settings().content_encoder, voices.read_voice(corpus)
    package = WHISPERS[settings.network["encoder"]].sha256
    about = {"encoder": package, "corpus": _hash_corpus(stage_folder("corpus") / corpus)}
    folder = stage_folder("hidden_states") / corpus
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        write_copy(folder / CLEAN, about, utterances, lambda one: (clean_waveform(one), 1.0))
        if corpus in training_corpora():
            n_held_out = 0 if corpus == voices.PEOPLE else voices.n_common(corpus)
            trained_on = utterances[: len(utterances) - n_held_out]
            largest = settings.largest_stretch
            write_copy(
                folder / DISTURBED,
                about | {"largest_stretch": largest},
                trained_on,
                lambda one: disturbed_waveform(one, trained_on, largest),
            )


def write_copy(
    folder: Path,
    about: Mapping[str, Any],
    utterances: Sequence[Utterance],
    make_waveform: Callable[[Utterance], tuple[np.ndarray, float]],
) -> None:
    """Write the states of utterances into a folder, unless it has those of the same corpus and settings.

    Args:
        folder: The folder of the copy.
        about: JSON-able identity of the copy.
        utterances: The utterances.
        make_waveform: Returns (n_samples,) float32 of an utterance and its factor of the speed.
    """
    identity = json.dumps(about, sort_keys=True)
    if _identity(folder) == identity:
        return
    part = folder.with_name(folder.name + ".part")
    known = _begin_or_resume(part, identity)
    first_frame = n_frames = sum(row["n"] for row in known)
    began = time.process_time()
    with (part / STATES).open("ab") as states, (part / ROWS).open("a", encoding="utf-8") as rows:
        for one in utterances[len(known) :]:
            waveform, ratio = make_waveform(one)
            values = hear(waveform)
            states.write(values.tobytes())
            states.flush()
            rows.write(json.dumps({"name": one.name, "first": n_frames, "n": len(values), "ratio": ratio}) + "\n")
            rows.flush()
            n_frames += len(values)
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    seconds = max(1e-9, (n_frames - first_frame) * FRAME_SECONDS)
    print(
        f"hidden states: {folder.parent.name} {folder.name}, {len(utterances)} utterances, "
        f"{n_frames * FRAME_SECONDS / 60:.1f} min, real-time factor {(time.process_time() - began) / seconds:.4f}",
        flush=True,
    )


def read_states(corpus: str, copy: str) -> HiddenStates:
    """Return a copy, CLEAN or DISTURBED, of a corpus.

    Raises:
        FileNotFoundError: It was not computed.
    """
    folder = stage_folder("hidden_states") / corpus / copy
    if not (folder / IDENTITY).is_file():
        raise FileNotFoundError(f"{folder} is missing; compute it with `python -m starter.hidden_states {corpus}`")
    rows = _whole_rows(folder / ROWS)
    values = np.memmap(folder / STATES, dtype="<f2", mode="r").reshape(-1, whisper().encoder.width)
    return HiddenStates(values, {row["name"]: Span(row["first"], row["n"], row["ratio"]) for row in rows})


def _identity(folder: Path) -> str:
    path = folder / IDENTITY
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _begin_or_resume(part: Path, identity: str) -> list[dict]:
    """Return the rows of an interrupted copy, without what it had written of the next utterance, or make a new one."""
    known = _whole_rows(part / ROWS) if _identity(part) == identity else []
    n_bytes = sum(row["n"] for row in known) * whisper().encoder.width * 2
    if known and (part / STATES).stat().st_size >= n_bytes:
        os.truncate(part / STATES, n_bytes)
        return known
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / IDENTITY).write_text(identity, encoding="utf-8")
    return []


def _whole_rows(path: Path) -> list[dict]:
    """Return the rows of a file of JSON Lines, and cut off a last line that was interrupted."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)
    return [json.loads(line) for line in content[:end].splitlines()]


def _hash_corpus(folder: Path) -> str:
    """Return the SHA-256 of a corpus's samples and of the names of its utterances."""
    with (folder / "samples.i16").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for line in (folder / "utterances.jsonl").read_text(encoding="utf-8").splitlines():
        digest.update(json.loads(line)["name"].encode())
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Compute the states of the corpora on the command line."""
    parser = argparse.ArgumentParser(prog="python -m starter.hidden_states", description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="+", help="names of corpora, or `all`")
    wanted = parser.parse_args().corpora
    names = [*training_corpora(), *held_out_corpora()] if "all" in wanted else wanted
    if unknown := sorted(set(names) - {*training_corpora(), *held_out_corpora()}):
        parser.error(f"unknown corpora: {', '.join(unknown)}; starter/voices.py names them")
    check_corpora(names)
    torch.set_num_threads(1)
    for name in names:
        compute_states(name)


if __name__ == "__main__":
    main()
