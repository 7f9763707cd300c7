"""voice.yaml: read it, write the record of a new voice, and write a revocation into it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from registry.consent.record import VOICE_FILE, ConsentError, Voice, list_faults
from registry.consent.yaml_file import dump_yaml, make_round_trip_yaml, read_yaml
from registry.files import replace_file


def load_voice(recordings_dir: Path) -> Voice:
    """Return the voice's record as written, whether the consent is valid today or not.

    Raises:
        ConsentError: The record is missing, unreadable or of another voice.
    """
    path = recordings_dir / VOICE_FILE
    data = _read_voice_file(path)
    if not isinstance(data, dict):
        raise ConsentError(f"{path} holds {type(data).__name__}, not a voice record; write name, language and consent")
    try:
        voice = Voice.model_validate(data)
    except ValidationError as error:
        raise ConsentError(
            f"{path} is not a voice record: {list_faults(error)}; correct these entries, see docs/consent.md"
        ) from error
    folder = recordings_dir.absolute().name
    if voice.name != folder:
        raise ConsentError(
            f"{path} is the record of the voice {voice.name!r}, but its folder is {folder!r}; "
            "a consent covers one voice, so give the folder its own record"
        )
    return voice


def revoke_consent(recordings_dir: Path, today: date) -> Voice:
    """Write `revoked_on` into voice.yaml and return the record.

    Comments in the file stay, and so does an earlier date. An expired or not yet valid consent can be revoked too.

    Raises:
        ConsentError: The record is missing or unreadable, or cannot be written.
    """
    # 1. A consent that was revoked before keeps its date
    voice = load_voice(recordings_dir)
    if voice.consent.revoked_on is not None:
        return voice
    # 2. Edit the file's own text, so that comments and order stay, and move it into place
    path = recordings_dir / VOICE_FILE
    round_trip = make_round_trip_yaml()
    data = _read_voice_file(path, round_trip)
    data["consent"]["revoked_on"] = today
    try:
        replace_file(path, dump_yaml(round_trip, data))
    except OSError as error:
        raise ConsentError(
            f"{path}: the revocation cannot be written ({error.strerror or error}); "
            "make the folder writable, and revoke again"
        ) from error
    # 3. Read it back: what is returned is what the file says
    return load_voice(recordings_dir)


def write_voice(recordings_dir: Path, voice: Voice) -> Path:
    """Write the record of a new voice and return its path. An equal record that is already there stays untouched.

    Raises:
        ConsentError: The folder has another name than the voice, or it already has a different record.
    """
    path = recordings_dir / VOICE_FILE
    if voice.name != recordings_dir.absolute().name:
        raise ConsentError(f"the voice {voice.name!r} belongs in a folder of that name, not in {recordings_dir}")
    if path.exists():
        if load_voice(recordings_dir) == voice:
            return path
        raise ConsentError(f"{path} already exists with another content; remove it first if the voice is new")
    recordings_dir.mkdir(parents=True, exist_ok=True)
    replace_file(path, dump_yaml(make_round_trip_yaml(), voice.model_dump()))
    return path


def replace_voice(recordings_dir: Path, voice: Voice) -> None:
    """Replace the record of a voice, in one step.

    Raises:
        ConsentError: The folder has another name than the voice.
    """
    if voice.name != recordings_dir.absolute().name:
        raise ConsentError(f"the voice {voice.name!r} belongs in a folder of that name, not in {recordings_dir}")
    replace_file(recordings_dir / VOICE_FILE, dump_yaml(make_round_trip_yaml(), voice.model_dump()))


def _read_voice_file(path: Path, yaml: YAML | None = None) -> Any:
    try:
        return read_yaml(path, yaml)
    except FileNotFoundError as error:
        raise ConsentError(
            f"{path} is missing, so nobody is known to have consented; "
            "write one (docs/consent.md) or use `vox voice add`"
        ) from error
