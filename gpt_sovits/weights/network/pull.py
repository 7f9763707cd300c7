"""`pull`: a base model from where it is published into base_models/, checked against the lock file."""

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
from gpt_sovits.weights.network.download import PATIENT, Patience, UnreachableError, fetch
from gpt_sovits.weights.network.model_table import Pin, RemoteFile, RemoteModel, load_pins, load_table, save_pins
from gpt_sovits.weights.upstream.importing import MODEL_FILES, import_pair, import_part
from gpt_sovits.weights.upstream.torch_file import file_sha256

MIRROR_VARIABLE = "VOXFOUNDRY_MIRROR"
LOCK_NAME = "base_models.lock"
INCOMING = ".incoming"  # folder in base_models/ where files wait, fetched or put there by hand
MEGABYTE = 1_000_000

Progress = Callable[[str, int, int | None], None]  # file name, bytes so far, of the whole where it is known


@dataclass(frozen=True)
class Pulled:
    """folder: where the model is; is_new: False where it was there already"""

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
    patience: Patience = PATIENT,
    table: dict[str, RemoteModel] | None = None,
) -> list[Pulled]:
    """Bring a model of the table, and what it needs, into base_models/NAME.

    folder: where the bases lie; None is base_models/ beside the packages; lock_file: None is base_models.lock beside it
    mirror: what stands in for scheme and host of every address; None is the variable VOXFOUNDRY_MIRROR, where it is set
    replace: whether a folder of this name that is not what the lock file pins may be replaced
    A file that already lies in folder/.incoming/NAME is taken instead of being fetched, and checked like the others.
    Raises WeightsError: with what to put where when there is no network, and for files that are not what was pinned.
    """
    table = load_table() if table is None else table
    folder = BASES_FOLDER if folder is None else folder
    if name not in table:
        raise WeightsError(f"there is no base model {name!r} to pull; there are {', '.join(table)}")
    lock_file = folder.parent / LOCK_NAME if lock_file is None else lock_file
    mirror = os.environ.get(MIRROR_VARIABLE) if mirror is None else mirror
    job = _Job(folder, lock_file, mirror or None, progress, patience)
    pulled = []
    for one in (*table[name].needs, name):
        pulled.append(job.pull(one, table[one], replace and one == name))
    return pulled


@dataclass(frozen=True)
class _Job:
    folder: Path
    lock_file: Path
    mirror: str | None
    progress: Progress
    patience: Patience

    def pull(self, name: str, model: RemoteModel, replace: bool) -> Pulled:
        home, incoming = self.folder / name, self.folder / INCOMING / name
        pins = load_pins(self.lock_file)
        if home.exists() and not replace:
            if _is_made_of(home, model, {file: pins.get(f"{name}/{file}") for file in model.files}):
                return Pulled(name, home, is_new=False)
            # what a pull that was killed before it pinned its files has left is finished, anything else is left alone
            if not _is_made_of(home, model, {file: _pin(incoming / file, "") for file in model.files}):
                raise WeightsError(
                    f"{home} is there and is not what {self.lock_file.name} pins as {name}; move it away, or have it "
                    "replaced (`--replace`)"
                )
        seen = {file: self._obtain(name, file, remote, incoming, pins, model) for file, remote in model.files.items()}
        try:
            _bring_in(model, incoming, name, self.folder)
        except WeightsError as error:
            raise WeightsError(f"{error}. Delete {incoming} to have its files fetched again") from error
        save_pins(self.lock_file, load_pins(self.lock_file) | {f"{name}/{file}": pin for file, pin in seen.items()})
        shutil.rmtree(incoming, ignore_errors=True)
        if not any((self.folder / INCOMING).iterdir()):
            (self.folder / INCOMING).rmdir()
        return Pulled(name, home, is_new=True)

    def _obtain(
        self, name: str, file: str, remote: RemoteFile, incoming: Path, pins: dict[str, Pin], model: RemoteModel
    ) -> Pin:
        """The file in `incoming`, and what it is."""
        path, pin = incoming / file, pins.get(f"{name}/{file}")
        if pin and remote.sha256 not in (None, pin.sha256):
            raise WeightsError(
                f"{self.lock_file} pins {name}/{file} as {pin.sha256[:16]}..., its publisher says "
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
                    patience=self.patience,
                )
            except UnreachableError as error:
                raise UnreachableError(f"{error}. {_by_hand(name, model, incoming)}") from error
        elif path.stat().st_size > remote.max_mb * MEGABYTE:
            raise WeightsError(f"{path} has {path.stat().st_size} bytes; {file} has at most {remote.max_mb:g} MB")
        seen = Pin(path.stat().st_size, file_sha256(path), remote.url)
        if wanted not in (None, seen.sha256):
            raise WeightsError(
                f"{path} has sha256 {seen.sha256[:16]}..., {wanted[:16]}... is pinned; it is another file: delete it"
            )
        return seen


def _address(url: str, mirror: str | None) -> str:
    if mirror is None:
        return url
    if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
        raise WeightsError(f"the mirror {mirror!r} is no address; it begins with https:// and a host")
    return mirror.rstrip("/") + url.removeprefix(f"https://{urlsplit(url).netloc}")


def _by_hand(name: str, model: RemoteModel, incoming: Path) -> str:
    missing = [
        f"{remote.url} as {incoming / file}" for file, remote in model.files.items() if not (incoming / file).exists()
    ]
    return (
        f"Without a network here: fetch {'; '.join(missing)}; then run `vox pull {name}` again. A mirror is named by "
        f"`--mirror` or {MIRROR_VARIABLE}"
    )


def _pin(path: Path, url: str) -> Pin | None:
    return Pin(path.stat().st_size, file_sha256(path), url) if path.is_file() else None


def _is_made_of(home: Path, model: RemoteModel, pins: dict[str, Pin | None]) -> bool:
    """Whether the folder is whole and came from exactly these files; never where one is unknown."""
    if None in pins.values():
        return False
    if model.kind == "files":
        return all((home / file).is_file() and file_sha256(home / file) == pin.sha256 for file, pin in pins.items())
    try:
        parts = [path for path in home.iterdir() if path.is_dir()]
        sources = {checkpoint_source(path).get("sha256") for path in parts}
    except CheckpointError:
        return False
    weights = {pin.sha256 for file, pin in pins.items() if model.kind == "pair" or file not in _beside(model)}
    kept = all((home / file).is_file() for file, remote in model.files.items() if remote.keep)
    return sources == weights and kept


def _beside(model: RemoteModel) -> set[str]:
    """Files of an encoder that are not its weights."""
    return {file for file, remote in model.files.items() if remote.keep or file == "config.json"}


def _bring_in(model: RemoteModel, incoming: Path, name: str, folder: Path) -> None:
    """From the waiting files to base_models/NAME; what was there is replaced."""
    if model.kind == "pair":
        files = {remote.role: incoming / file for file, remote in model.files.items()}
        import_pair(
            files["gpt"], files["sovits"], name, folder, discriminator_file=files.get("discriminator"), replace=True
        )
    elif model.kind == "part":
        (weights,) = model.files.keys() - _beside(model)
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
