"""Outputs that are written completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.execution.inputs import StageInputs, read_inputs
from stages.execution.locks import locked


@contextmanager
def stage_output(folder: Path, stage: str, voice: str, *, inputs: StageInputs | None = None) -> Iterator[Path]:
    """Give the block a new temporary folder, which becomes `folder` when the block ends without an exception.

    Whenever the process is killed, `folder` is the old one, absent, or the new one, never a mixture. What an earlier
    run left half-written is removed. Whatever the block reads, params.yaml too, it reads after this has begun.

    Args:
        folder: the output of the stage.
        stage: name of the stage. Only one process at a time writes the output of a stage for a voice.
        voice: name of the voice.
        inputs: state of what the stage reads, taken before it read anything. None where the block reads all of it.

    Raises:
        StageBusyError: another process is writing the same output.
        InputsChangedError: what dvc.yaml says that the stage reads changed meanwhile.
    """
    with locked(f"{stage}-{voice}"):
        inputs = inputs or read_inputs(stage, voice)
        partial = folder.with_name(f".{folder.name}.{stage}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        inputs.check()
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
        inputs.write_note()


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of a file with `text` in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
