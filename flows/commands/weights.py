"""`vox import`, `vox export`, `vox pull`: others' weights in, a voice out, base models from their publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from flows.console import console, print_error, print_line

REFUSED = 1  # exit code
PLAIN_STEPS = 10  # lines per file, where there is no terminal
PLAIN_STEP_BYTES = 100_000_000  # between two lines, for a file of unknown size

ProgressCallback = Callable[[str, int, int | None], None]  # file, bytes so far, bytes in all if known


def import_files(gpt: Path, sovits: Path, *, name: str, discriminator: Path | None, replace: bool) -> int:
    """Import an official or community pair as a base model. Return 0 if it was imported, 1 if refused.

    Args:
        gpt: The GPT (.ckpt).
        sovits: The SoVITS (.pth).
        name: The folder in base_models/ to write.
        discriminator: The discriminator (s2D) of the same version, which an adaptation needs, or None.
        replace: Whether a base model of this name is replaced.
    """
    from gpt_sovits.weights.upstream.importing import import_pair

    def work() -> None:
        pair = import_pair(gpt, sovits, name, discriminator_file=discriminator, replace=replace)
        print_line(f"{pair.folder}: a GPT and a SoVITS {pair.version}")
        for kind, source in pair.sources.items():
            dtypes = ", ".join(source["stored_as"])
            sha256 = source["sha256"][:16]
            print_line(f"  {kind}: {source['file']}, sha256 {sha256}..., stored as {dtypes}, now float32")
        if not pair.adaptable:
            print_line("  it can speak, but no voice can be adapted from it: these files lack what only training needs")

    return _exit_code(work)


def export_voice(
    voice: str,
    folder: Path,
    *,
    version: int | None,
    dtype: Literal["float16", "float32"],
    with_posterior: bool,
    other_sizes: bool,
    purpose: str | None = None,
) -> int:
    """Write a voice's weights as the original GPT-SoVITS loads them. Return 0 if they were written, 1 if refused.

    Args:
        voice: The voice.
        folder: The folder for VOICE-vN.ckpt and VOICE-vN.pth.
        version: The version to export, None for the champion.
        dtype: The type of the stored numbers.
        with_posterior: Whether enc_q is written, which only an adaptation needs.
        other_sizes: Whether sizes are written that the original cannot load.
        purpose: What the files are for, which the speaker must have allowed. None if nobody declared it.
    """
    from flows.released_voice import find_voice
    from gpt_sovits.gpt.model import GPTConfig
    from gpt_sovits.sovits.config import SoVITSConfig
    from gpt_sovits.synthesis.preset import Preset
    from gpt_sovits.weights.checkpoint import load_checkpoint
    from gpt_sovits.weights.upstream.exporting import export_pair

    released = find_voice(voice, version, purpose=purpose)

    def work() -> None:
        preset = Preset.model_validate_json((released.folder / "preset.json").read_text(encoding="utf-8"))
        gpt_config, gpt_state = load_checkpoint(released.folder / "gpt", "gpt")
        sovits_config, sovits_state = load_checkpoint(released.folder / "sovits", "sovits")
        gpt_file, sovits_file = (folder / f"{voice}-v{released.version}.{suffix}" for suffix in ("ckpt", "pth"))
        export_pair(
            (GPTConfig.from_dict(gpt_config), gpt_state),
            (SoVITSConfig.from_dict(sovits_config), sovits_state),
            gpt_file,
            sovits_file,
            dtype=dtype,
            info=f"{voice} version {released.version}",
            with_posterior=with_posterior,
            other_sizes=other_sizes,
        )
        for path in (gpt_file, sovits_file):
            print_line(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {dtype}")
        print_line(f"scored in {', '.join(preset.languages)}")

    return _exit_code(work)


def pull_model(name: str | None, *, mirror: str | None, replace: bool) -> int:
    """Fetch a base model, or list what can be fetched. Return 0 if it is there now, 1 if refused or out of reach.

    Args:
        name: The base model, None for the list.
        mirror: An address that stands in for scheme and host of the publishers' addresses.
        replace: Whether a folder of this name is replaced that differs from what base_models.lock pins.
    """
    from gpt_sovits.weights.network.model_table import load_table
    from gpt_sovits.weights.network.pull import pull
    from gpt_sovits.weights.places import BASES_FOLDER
    from stages.execution.locks import locked

    if name is None:
        for known, model in load_table().items():
            needs = f", needs {', '.join(model.needs)}" if model.needs else ""
            state = "present" if (BASES_FOLDER / known).is_dir() else "absent"
            print_line(f"{known:30} {state:7} {len(model.files)} file{'s' if len(model.files) > 1 else ''}{needs}")
        return 0

    def work() -> None:
        with locked("base_models"), _show_progress() as progress:
            models = pull(name, mirror=mirror, replace=replace, progress=progress)
        for model in models:
            print_line(f"{model.name}: {'pulled' if model.is_new else 'already there'}, {model.folder}")
        if any(model.is_new for model in models):
            print_line(f"{BASES_FOLDER.parent / 'base_models.lock'} pins their files: commit it")

    return _exit_code(work)


@contextmanager
def _show_progress() -> Iterator[ProgressCallback]:
    """Show one bar per file on a terminal, else a line at every tenth of a file."""
    if not console.is_terminal:
        yield _plain_progress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks = {}

        def show(file: str, n_bytes: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file)
            bars.update(tasks[file], completed=n_bytes, total=total)

        yield show


def _plain_progress() -> ProgressCallback:
    last_steps: dict[str, int] = {}

    def show(file: str, n_bytes: int, total: int | None) -> None:
        step = n_bytes * PLAIN_STEPS // total if total else n_bytes // PLAIN_STEP_BYTES
        if last_steps.get(file) != step:
            last_steps[file] = step
            print_line(f"{file}: {n_bytes / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""))

    return show


def _exit_code(work: Callable[[], None]) -> int:
    """Run work and return 0, or 1 with the reason on stderr where weights are refused."""
    from gpt_sovits.weights.checkpoint import CheckpointError
    from gpt_sovits.weights.errors import WeightsError

    try:
        work()
    except (WeightsError, CheckpointError) as error:
        print_error(f"refused: {error}")
        return REFUSED
    return 0
