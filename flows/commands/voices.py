"""`vox voice add`: a new voice with its consent."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from flows.consent_terms import ConsentTerms, consent_record
from flows.console import print_line
from flows.paths import RECORDINGS, recordings_dir
from flows.settings import list_voice
from flows.statements import check_statement
from gpt_sovits.text.languages import language_code, language_name
from registry.consent.file import load_voice, write_voice
from registry.consent.record import VOICE_FILE, Voice, require_voice_name
from registry.consent.revocations import why_revoked
from stages.execution.locks import locked
from stages.params import load_params
from stages.profiles import require_language
from stages.recordings.files import is_dropping
from stages.recordings.inventory import Inventory, take_inventory
from stages.recordings.transcripts.checks import describe_transcripts

MAX_NAMED_FAULTS = 5


def add_voice(name: str, source: Path, *, language: str, terms: ConsentTerms) -> int:
    """Copy a folder of recordings into the project with its consent record.

    A kill never leaves half a voice in use, and the same call finishes what a killed one began.

    Args:
        name: The voice's name.
        source: The folder with the recordings.
        language: What is spoken, as an ISO 639 code or an alias of one.
        terms: The speaker's consent.
    """
    # 1. Check everything that can be checked before anything is written
    require_voice_name(name)
    language = language_code(language)
    record = consent_record(name, language, terms=terms)
    if reason := why_revoked(Path.cwd(), record):
        raise ValueError(f"{name} cannot be added: {reason}; ask the speaker for a new consent")
    inventory = _take_inventory(source, record, terms=terms)
    found = _describe_recordings(inventory)
    if terms.statement is not None:
        recordings = [source / name for name in inventory.audio]
        found.append(check_statement(terms.statement, record, recordings=recordings, params=load_params()))
    folder = recordings_dir(name)
    with locked("voices"):
        # 2. Copy into a temporary folder, which becomes the voice's in one step. Where an earlier call came this far,
        #    only the rest is done
        if folder.exists():
            _require_equal(folder, source, record=record, terms=terms)
        else:
            _copy_voice(source, folder, record=record, terms=terms)
        shutil.rmtree(_partial_folder(name), ignore_errors=True)
        # 3. List the voice, which has no effect where it is listed
        list_voice(name)
    for line in found:
        print_line(line)
    print_line(f"{folder} holds the recordings and voice.yaml; params.yaml lists {name}, {language_name(language)}.")
    try:
        require_language(name, language, load_params().profile)
    except ValueError as error:
        print_line(f"Before vox run {name}: {error}")
    else:
        print_line(f"Next: vox run {name}")
    return 0


def _copy_voice(source: Path, folder: Path, *, record: Voice, terms: ConsentTerms) -> None:
    """Copy recordings, evidence and record into a new folder, which is there completely or not at all."""
    shutil.rmtree(_partial_folder(record.name), ignore_errors=True)
    partial = _partial_folder(record.name) / record.name
    try:
        _copy_recordings(source, partial, proofs=terms.proofs())
        for proof, name in zip(terms.proofs(), record.consent.proofs(), strict=True):
            shutil.copyfile(proof, partial / name)
        (partial / "voice.yaml").unlink(missing_ok=True)  # another voice's record is not this one's consent
        write_voice(partial, record)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial.parent, ignore_errors=True)


def _partial_folder(name: str) -> Path:
    return RECORDINGS / f".{name}.partial"


def _require_equal(folder: Path, source: Path, *, record: Voice, terms: ConsentTerms) -> None:
    """Refuse a folder that is already there, unless it is what this call would have made.

    It may have files beside the recordings, such as corrections, and an earlier call may have been made on another day.
    """
    there = load_voice(folder)
    same_day = record.consent.model_copy(update={"granted_on": there.consent.granted_on})
    equal = there == record.model_copy(update={"consent": same_day})
    different = [
        path
        for path in _files_to_copy(source, proofs=terms.proofs())
        if str(path) not in (VOICE_FILE, *record.consent.proofs())
        if not (folder / path).is_file() or not filecmp.cmp(source / path, folder / path, shallow=False)
    ]
    if not equal or different:
        what = f"lacks {different[0]} as it is in {source}" if equal else "has another consent record"
        raise ValueError(
            f"{folder} is already there and {what}; choose another name, or change the files in that folder yourself"
        )


def _files_to_copy(source: Path, *, proofs: tuple[Path, ...]) -> list[Path]:
    """Return the files that _copy_recordings copies, relative to the source. Links are left out."""
    left_out = _left_out(proofs)
    found = []
    for folder, folders, names in os.walk(source):
        skipped = set(left_out(folder, [*folders, *names]))
        folders[:] = [name for name in folders if name not in skipped]
        found += [Path(folder, name) for name in names if name not in skipped]
    return sorted(path.relative_to(source) for path in found if not path.is_symlink())


def _copy_recordings(source: Path, target: Path, *, proofs: tuple[Path, ...]) -> None:
    """Copy a folder without the proofs of consent and what ingest would not look at.

    Links stay links: ingest rejects them, because they may leave the folder.
    """
    try:
        shutil.copytree(source, target, symlinks=True, ignore=_left_out(proofs))
    except shutil.Error as error:
        path, _, reason = error.args[0][0]
        raise OSError(f"{path} cannot be copied ({reason}); nothing was added") from error


def _left_out(proofs: tuple[Path, ...]) -> Callable[[str, list[str]], list[str]]:
    """Return a function from a folder and the names in it to the names that are not copied."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        paths = {name: Path(folder, name) for name in names}
        return [
            name
            for name, path in paths.items()
            if is_dropping(name) or _is_special(path) or (path.is_file() and any(map(path.samefile, proofs)))
        ]

    return left_out


def _is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device. Reading a pipe would wait for a writer."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _take_inventory(source: Path, record: Voice, *, terms: ConsentTerms) -> Inventory:
    """Return what ingest would find in a folder. Raises ValueError where it would not take the folder."""
    folder = source.resolve()
    paths = [path.resolve() for path in terms.proofs()]
    inside = [path.relative_to(folder).as_posix() for path in paths if path.is_relative_to(folder)]
    max_lost_share = load_params().ingest.max_lost_transcripts_share
    return take_inventory(source, record, max_lost_share, left_out=inside)


def _describe_recordings(inventory: Inventory) -> list[str]:
    """Return how many recordings have a transcript, and what cannot be used."""
    faults = [f"{row.path}: {row.reason}" for row in inventory.rejects]
    faults += [f"{row.source}: {row.fault}" for row in inventory.transcripts if row.fault and row.audio]
    more = f"and {len(faults) - MAX_NAMED_FAULTS} more" if len(faults) > MAX_NAMED_FAULTS else ""
    found = describe_transcripts(inventory.transcripts, list(inventory.audio))
    return [
        f"{found[0].upper()}{found[1:]}.",
        *(f"Not used: {fault}" for fault in (*faults[:MAX_NAMED_FAULTS], more) if fault),
    ]
