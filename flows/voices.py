"""`vox voice`: a new voice with its consent; a voice out of service."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console

from flows.settings import list_voice
from registry.consent import VOICE_NAME, Consent, Voice, file_sha256, load_voice, write_voice
from stages.execution.locks import locked

RECORDINGS = Path("data/1_recordings")
console = Console()


def add_voice(
    name: str, path: Path, language: str, consent: Path, speaker: str, purpose: str, valid_until: str | None
) -> int:
    """Copy a folder of recordings into the project with its consent record. Nothing is half-added when killed."""
    if not re.match(VOICE_NAME, name):
        raise ValueError(f"{name!r} cannot be a voice's name: it takes letters, digits, - and _, such as anna_2")
    folder = RECORDINGS / name
    if folder.exists():
        raise ValueError(f"{folder} is already there; choose another name, or add files to that folder yourself")
    if not any(file.is_file() for file in path.rglob("*")):
        raise ValueError(f"{path} holds no file; give the folder with the recordings")
    today = datetime.now(UTC).date()
    record = Voice(
        name=name,
        language=language,
        consent=Consent(
            speaker=speaker,
            kind="recorded",
            purpose=purpose,
            granted_on=today,
            valid_until=_day(valid_until) if valid_until else None,
            evidence=f"consent{consent.suffix.lower()}",
            evidence_sha256=file_sha256(consent),
            revoked_on=None,
        ),
    )
    with locked("voices"):
        partial = RECORDINGS / f".{name}.partial" / name
        shutil.rmtree(partial.parent, ignore_errors=True)
        shutil.copytree(path, partial, symlinks=True)  # links stay links: ingest rejects what leaves the folder
        shutil.copy(consent, partial / record.consent.evidence)
        (partial / "voice.yaml").unlink(missing_ok=True)  # another voice's record is not this one's consent
        write_voice(partial, record)
        partial.replace(folder)
        partial.parent.rmdir()
        list_voice(name)
    console.print(f"{folder} holds the recordings and voice.yaml; params.yaml lists {name}.", highlight=False)
    console.print(f"Next: vox run {name}", highlight=False)
    return 0


def revoke_voice(name: str) -> int:
    """Withdraw the consent, so that nothing can be released again, and take the champion out of service."""
    from registry.releases.promotion import revoke
    from registry.storage.store import open_store

    folder = RECORDINGS / name
    load_voice(folder)  # an unknown voice is refused before anything is written
    moved = revoke(open_store(), name, recordings_dir=folder, today=datetime.now(UTC).date())
    console.print(f"{name}: the consent is revoked; {moved.note}", highlight=False)
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--valid-until {text}: not a day; write it as 2030-12-31") from error
