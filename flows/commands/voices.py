"""`vox voice`: a new voice with its consent, or a voice out of service."""

from __future__ import annotations

import re
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from flows.console import print_line
from flows.paths import RECORDINGS, recordings_dir
from flows.settings import list_voice
from gpt_sovits.text.languages import language_code, language_name
from registry.consent.file import load_voice, write_voice
from registry.consent.record import VOICE_NAME, Consent, Voice, list_faults
from registry.files import file_sha256
from stages.execution.locks import locked
from stages.params import load_params
from stages.profiles import require_language
from stages.recordings.files import is_dropping
from stages.recordings.inventory import take_inventory
from stages.recordings.transcripts.checks import describe_transcripts

MAX_NAMED_FAULTS = 5


@dataclass(frozen=True, kw_only=True)
class ConsentRecord:
    """What the user says about the speaker's consent.

    Attributes:
        evidence: The file that proves it.
        speaker: Who speaks.
        purpose: What the speaker allowed.
        valid_until: The last valid day as YYYY-MM-DD, None for no end.
    """

    evidence: Path
    speaker: str
    purpose: str
    valid_until: str | None = None


def add_voice(name: str, source: Path, *, language: str, consent: ConsentRecord) -> int:
    """Copy a folder of recordings into the project with its consent record. A kill never leaves half a voice.

    Args:
        name: The voice's name.
        source: The folder with the recordings.
        language: What is spoken, as an ISO 639 code or an alias of one.
        consent: The speaker's consent.
    """
    if not re.match(VOICE_NAME, name):
        raise ValueError(f"{name!r} cannot be a voice's name: it takes letters, digits, - and _, such as anna_2")
    language = language_code(language)
    folder = recordings_dir(name)
    if folder.exists():
        raise ValueError(f"{folder} is already there; choose another name, or add files to that folder yourself")
    record = _voice_record(name, language, consent=consent)
    found = _describe_recordings(source, record, evidence=consent.evidence)
    with locked("voices"):
        partial = RECORDINGS / f".{name}.partial" / name
        shutil.rmtree(partial.parent, ignore_errors=True)
        try:
            _copy_recordings(source, partial, evidence=consent.evidence)
            shutil.copyfile(consent.evidence, partial / record.consent.evidence)
            (partial / "voice.yaml").unlink(missing_ok=True)  # another voice's record is not this one's consent
            write_voice(partial, record)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial.parent, ignore_errors=True)
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


def _copy_recordings(source: Path, target: Path, *, evidence: Path) -> None:
    """Copy a folder without the evidence and what ingest would not look at.

    Links stay links: ingest rejects them, because they may leave the folder.
    """

    def ignored(folder: str, names: list[str]) -> list[str]:
        paths = {name: Path(folder, name) for name in names}
        return [
            name
            for name, path in paths.items()
            if is_dropping(name) or _is_special(path) or (path.is_file() and path.samefile(evidence))
        ]

    try:
        shutil.copytree(source, target, symlinks=True, ignore=ignored)
    except shutil.Error as error:
        path, _, reason = error.args[0][0]
        raise OSError(f"{path} cannot be copied ({reason}); nothing was added") from error


def _is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device. Reading a pipe would wait for a writer."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _describe_recordings(source: Path, record: Voice, *, evidence: Path) -> list[str]:
    """Return how many recordings have a transcript, and what cannot be used.

    Raises:
        ValueError: the stage ingest would not take the folder.
    """
    path, folder = evidence.resolve(), source.resolve()
    inside = [path.relative_to(folder).as_posix()] if path.is_relative_to(folder) else []
    max_lost_share = load_params().ingest.max_lost_transcripts_share
    inventory = take_inventory(source, record, max_lost_share, left_out=inside)
    faults = [f"{row.path}: {row.reason}" for row in inventory.rejects]
    faults += [f"{row.source}: {row.fault}" for row in inventory.transcripts if row.fault and row.audio]
    more = f"and {len(faults) - MAX_NAMED_FAULTS} more" if len(faults) > MAX_NAMED_FAULTS else ""
    found = describe_transcripts(inventory.transcripts, list(inventory.audio))
    return [
        f"{found[0].upper()}{found[1:]}.",
        *(f"Not used: {fault}" for fault in (*faults[:MAX_NAMED_FAULTS], more) if fault),
    ]


def revoke_voice(name: str) -> int:
    """Withdraw a voice's consent, so that nothing can be released again, and take its champion out of service."""
    from registry.releases.promotion import revoke
    from registry.storage.store import open_store

    folder = recordings_dir(name)
    load_voice(folder)  # refuses an unknown voice before anything is written
    move = revoke(open_store(), name, recordings_dir=folder, today=datetime.now(UTC).date())
    print_line(f"{name}: the consent is revoked; {move.note}")
    return 0


def _voice_record(name: str, language: str, *, consent: ConsentRecord) -> Voice:
    try:
        return Voice(
            name=name,
            language=language,
            consent=Consent(
                speaker=consent.speaker,
                kind="recorded",
                purpose=consent.purpose,
                granted_on=datetime.now(UTC).date(),
                valid_until=_day(consent.valid_until) if consent.valid_until else None,
                evidence=f"consent{consent.evidence.suffix.lower()}",
                evidence_sha256=file_sha256(consent.evidence),
                revoked_on=None,
            ),
        )
    except ValidationError as error:
        raise ValueError(f"the consent cannot be recorded: {list_faults(error)}") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--valid-until {text} is not a day; write it as 2030-12-31") from error
