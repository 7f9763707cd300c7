"""Writes files so that a stopped run never leaves half of one."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


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
