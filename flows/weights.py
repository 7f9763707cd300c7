"""`vox import`, `vox export`, `vox pull`: weights of others in, a voice out, base models from their publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

REFUSED = 1  # exit code
PLAIN_STEPS = 10  # lines a file, where there is no terminal

console = Console(highlight=False)
say = partial(console.print, markup=False, soft_wrap=True)


def import_files(gpt: Path, sovits: Path, name: str, discriminator: Path | None, replace: bool) -> int:
    """`vox import`: 0 imported, 1 refused."""
    from gpt_sovits.weights.upstream.importing import import_pair

    def work() -> None:
        done = import_pair(gpt, sovits, name, discriminator_file=discriminator, replace=replace)
        say(f"{done.folder}: a GPT and a SoVITS {done.version}")
        for kind, source in done.sources.items():
            stored = ", ".join(source["stored_as"])
            say(f"  {kind}: {source['file']}, sha256 {source['sha256'][:16]}..., stored as {stored}, now float32")
        if not done.adaptable:
            say("  it can speak; no voice can be adapted from it: what only training needs is not in these files")

    return _refusable(work)


def export_voice(
    voice: str,
    folder: Path,
    version: int | None,
    dtype: Literal["float16", "float32"],
    with_posterior: bool,
    other_sizes: bool,
) -> int:
    """`vox export`: 0 written, 1 refused."""
    from datetime import UTC, datetime

    from flows.release import recordings_dir
    from gpt_sovits.gpt.model import GPTConfig
    from gpt_sovits.sovits.config import SoVITSConfig
    from gpt_sovits.weights.checkpoint import load_checkpoint
    from gpt_sovits.weights.upstream.exporting import export_pair
    from registry.candidates.candidate import find_candidate, voice_folder_of
    from registry.consent import check_consent
    from registry.releases.journal import champion
    from registry.storage.store import open_store

    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    store = open_store()
    if version is None:
        live = champion(store, voice)
        if live is None:
            raise ValueError(f"{voice} has no champion; promote one, or name a version with --version N")
        version = live.version
    source = voice_folder_of(store, find_candidate(store, voice, version))

    def work() -> None:
        gpt_config, gpt_state = load_checkpoint(source / "gpt", "gpt")
        sovits_config, sovits_state = load_checkpoint(source / "sovits", "sovits")
        gpt_file, sovits_file = (folder / f"{voice}-v{version}.{suffix}" for suffix in ("ckpt", "pth"))
        export_pair(
            (GPTConfig.from_dict(gpt_config), gpt_state),
            (SoVITSConfig.from_dict(sovits_config), sovits_state),
            gpt_file,
            sovits_file,
            dtype=dtype,
            info=f"{voice} version {version}",
            with_posterior=with_posterior,
            other_sizes=other_sizes,
        )
        for path in (gpt_file, sovits_file):
            say(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {dtype}")

    return _refusable(work)


def pull_model(name: str | None, mirror: str | None, replace: bool) -> int:
    """`vox pull`: 0 there now, 1 refused or out of reach. Without a name: what there is to pull."""
    from gpt_sovits.weights.base import BASES_FOLDER
    from gpt_sovits.weights.network.model_table import load_table
    from gpt_sovits.weights.network.pull import pull
    from stages.execution.locks import locked

    if name is None:
        for known, model in load_table().items():
            needs = f", needs {', '.join(model.needs)}" if model.needs else ""
            there = "there" if (BASES_FOLDER / known).is_dir() else "absent"
            say(f"{known:30} {there:7} {len(model.files)} file{'s' if len(model.files) > 1 else ''}{needs}")
        return 0

    def work() -> None:
        with locked("base_models"), _progress() as progress:
            pulled = pull(name, mirror=mirror, replace=replace, progress=progress)
        for one in pulled:
            say(f"{one.name}: {'pulled' if one.is_new else 'already there'}, {one.folder}")
        if any(one.is_new for one in pulled):
            say(f"{BASES_FOLDER.parent / 'base_models.lock'} pins their files: commit it")

    return _refusable(work)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar a file on a terminal, else a line at every tenth of a file."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
            tasks = {}

            def show(file: str, done: int, total: int | None) -> None:
                if file not in tasks:
                    tasks[file] = bars.add_task(file)
                bars.update(tasks[file], completed=done, total=total)

            yield show
        return
    told: dict[str, int] = {}

    def tell(file: str, done: int, total: int | None) -> None:
        step = done * PLAIN_STEPS // total if total else done // 100_000_000
        if told.get(file) != step:
            told[file] = step
            say(f"{file}: {done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""))

    yield tell


def _refusable(work: Callable[[], None]) -> int:
    """0, or 1 with the reason on stderr where weights are refused."""
    from gpt_sovits.weights.checkpoint import CheckpointError
    from gpt_sovits.weights.errors import WeightsError

    try:
        work()
    except (WeightsError, CheckpointError) as error:
        Console(stderr=True, highlight=False).print(f"refused: {error}", markup=False, soft_wrap=True)
        return REFUSED
    return 0
