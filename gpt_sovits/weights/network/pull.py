"""Pull a base model from where it is published into base_models/, checked against the lock file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gpt_sovits.weights.base import BASES_FOLDER
from gpt_sovits.weights.checkpoint import CheckpointError, checkpoint_source
from gpt_sovits.weights.errors import WeightsError
from gpt_sovits.weights.network.download import DEFAULT_RETRY_POLICY, RetryPolicy, UnreachableError, fetch
from gpt_sovits.weights.network.model_table import Pin, RemoteFile, RemoteModel, load_pins, load_table, save_pins
from gpt_sovits.weights.upstream.importing import MODEL_FILES, import_pair, import_part
from gpt_sovits.weights.upstream.torch_file import file_sha256

MIRROR_VARIABLE = "VOXFOUNDRY_MIRROR"
LOCK_NAME = "base_models.lock"
INCOMING = ".incoming"  # folder in base_models/ for files that were fetched or placed by hand
MEGABYTE = 1_000_000

Progress = Callable[[str, int, int | None], None]  # file name, bytes so far, bytes in all where known


@dataclass(frozen=True)
class PullResult:
    """A model that was pulled.

    Attributes:
        name: name of the model.
        folder: where the model is.
        is_new: False where it was already there.
    """

    name: str
    folder: Path
    is_new: bool


def pull(
    name: str,
    folder: Path | None = None,
    *,
    lock_file: Path | None = None,
    mirror: str | None = None,
    replace: bool = False,
    progress: Progress = lambda name, done, total: None,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    table: dict[str, RemoteModel] | None = None,
) -> list[PullResult]:
    """Pull a model of the table, and the models that it needs, into base_models/NAME.

    A file that already lies in folder/.incoming/NAME is used instead of being fetched, and checked like the others.

    Args:
        name: name of the model.
        folder: where the bases lie. None is base_models/ beside the packages.
        lock_file: the pins. None is base_models.lock beside `folder`.
        mirror: replaces scheme and host of every address. None is the environment variable VOXFOUNDRY_MIRROR.
        replace: whether a folder of this name that the lock file does not pin may be replaced.
        progress: called with a file's name, the bytes so far, and the bytes in all where they are known.
        retry_policy: how long a download is attempted.
        table: the table of models. None is models.yaml.

    Returns:
        One result per model, the needed ones first.

    Raises:
        WeightsError: a file is not the pinned one, or the network is missing. Then the message says which files to
            place where by hand.
    """
    table = load_table() if table is None else table
    folder = BASES_FOLDER if folder is None else folder
    if name not in table:
        raise WeightsError(f"there is no base model {name!r} to pull; there are {', '.join(table)}")
    lock_file = folder.parent / LOCK_NAME if lock_file is None else lock_file
    mirror = os.environ.get(MIRROR_VARIABLE) if mirror is None else mirror
    job = _Job(folder, lock_file, mirror or None, progress, retry_policy)
    names = (*table[name].needs, name)
    return [job.pull(each, table[each], replace=replace and each == name) for each in names]


@dataclass(frozen=True)
class _Job:
    folder: Path
    lock_file: Path
    mirror: str | None
    progress: Progress
    retry_policy: RetryPolicy

    def pull(self, name: str, model: RemoteModel, *, replace: bool) -> PullResult:
        home, incoming = self.folder / name, self.folder / INCOMING / name
        pins = load_pins(self.lock_file)
        if home.exists() and not replace:
            if _is_made_of(home, model, {file: pins.get(f"{name}/{file}") for file in model.files}):
                return PullResult(name, home, is_new=False)
            # A pull that was killed before it pinned its files is completed. Anything else is not touched
            if not _is_made_of(home, model, {file: _pin(incoming / file, "") for file in model.files}):
                raise WeightsError(
                    f"{home} exists and is not what {self.lock_file.name} pins as {name}; move it away, or replace it "
                    "with `--replace`"
                )
        seen = {file: self._obtain(name, file, remote, incoming, pins, model) for file, remote in model.files.items()}
        try:
            _bring_in(model, incoming, name, self.folder)
        except WeightsError as error:
            raise WeightsError(f"{error}. Delete {incoming} to fetch its files again") from error
        save_pins(self.lock_file, load_pins(self.lock_file) | {f"{name}/{file}": pin for file, pin in seen.items()})
        shutil.rmtree(incoming, ignore_errors=True)
        if not any((self.folder / INCOMING).iterdir()):
            (self.folder / INCOMING).rmdir()
        return PullResult(name, home, is_new=True)

    def _obtain(
        self, name: str, file: str, remote: RemoteFile, incoming: Path, pins: dict[str, Pin], model: RemoteModel
    ) -> Pin:
        """Bring one file into `incoming`, check it and return its pin."""
        path, pin = incoming / file, pins.get(f"{name}/{file}")
        if pin and remote.sha256 not in (None, pin.sha256):
            raise WeightsError(
                f"{self.lock_file} pins {name}/{file} as {pin.sha256[:16]}..., its publisher states "
                f"{remote.sha256[:16]}...; find out why before you change either"
            )
        wanted = pin.sha256 if pin else remote.sha256
        if not path.exists():
            try:
                fetch(
                    _address(remote.url, self.mirror),
                    path,
                    max_bytes=int(remote.max_mb * MEGABYTE),
                    n_bytes=pin.n_bytes if pin else None,
                    sha256=wanted,
                    progress=lambda done, total: self.progress(file, done, total),
                    retry_policy=self.retry_policy,
                )
            except UnreachableError as error:
                raise UnreachableError(f"{error}. {_by_hand(name, model, incoming)}") from error
        elif path.stat().st_size > remote.max_mb * MEGABYTE:
            raise WeightsError(f"{path} has {path.stat().st_size} bytes; {file} may have at most {remote.max_mb:g} MB")
        seen = Pin(path.stat().st_size, file_sha256(path), remote.url)
        if wanted not in (None, seen.sha256):
            raise WeightsError(
                f"{path} has sha256 {seen.sha256[:16]}..., but {wanted[:16]}... is pinned; delete it to fetch it again"
            )
        return seen


def _address(url: str, mirror: str | None) -> str:
    if mirror is None:
        return url
    if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
        raise WeightsError(f"the mirror {mirror!r} is not an address; it must begin with https:// and a host")
    return mirror.rstrip("/") + url.removeprefix(f"https://{urlsplit(url).netloc}")


def _by_hand(name: str, model: RemoteModel, incoming: Path) -> str:
    missing = [
        f"{remote.url} as {incoming / file}" for file, remote in model.files.items() if not (incoming / file).exists()
    ]
    return (
        f"Without a network here: fetch {'; '.join(missing)}; then run `vox pull {name}` again. To use a mirror, set "
        f"`--mirror` or {MIRROR_VARIABLE}"
    )


def _pin(path: Path, url: str) -> Pin | None:
    return Pin(path.stat().st_size, file_sha256(path), url) if path.is_file() else None


def _is_made_of(home: Path, model: RemoteModel, pins: dict[str, Pin | None]) -> bool:
    """Return whether the folder is complete and was made of exactly these files, False where a pin is None."""
    if None in pins.values():
        return False
    if model.kind == "files":
        return all((home / file).is_file() and file_sha256(home / file) == pin.sha256 for file, pin in pins.items())
    try:
        parts = [path for path in home.iterdir() if path.is_dir()]
        sources = {checkpoint_source(path).get("sha256") for path in parts}
    except CheckpointError:
        return False
    not_weights = set() if model.kind == "pair" else _files_beside_weights(model)
    weights = {pin.sha256 for file, pin in pins.items() if file not in not_weights}
    kept = all((home / file).is_file() for file, remote in model.files.items() if remote.keep)
    return sources == weights and kept


def _files_beside_weights(model: RemoteModel) -> set[str]:
    """Return the files of an encoder that are not its weights."""
    return {file for file, remote in model.files.items() if remote.keep or file == "config.json"}


def _bring_in(model: RemoteModel, incoming: Path, name: str, folder: Path) -> None:
    """Turn the incoming files into base_models/NAME, replacing what was there."""
    if model.kind == "pair":
        files = {remote.role: incoming / file for file, remote in model.files.items()}
        import_pair(
            files["gpt"], files["sovits"], name, folder, discriminator_file=files.get("discriminator"), replace=True
        )
    elif model.kind == "part":
        (weights,) = model.files.keys() - _files_beside_weights(model)
        import_part(incoming if weights in MODEL_FILES else incoming / weights, name, folder, replace=True)
        for file, remote in model.files.items():
            if remote.keep:
                shutil.copy(incoming / file, folder / name / file)
    else:
        temporary = folder / f".{name}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for file in model.files:
            (temporary / file).hardlink_to(incoming / file)
        shutil.rmtree(folder / name, ignore_errors=True)
        temporary.rename(folder / name)
