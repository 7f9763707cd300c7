"""Changes of params.yaml from the command line: comments stay, and the file is checked before it is replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from registry.gate.policy import parse_policy
from serving.settings import parse_settings
from stages.execution.locks import locked
from stages.execution.outputs import write_atomically
from stages.params import parse_params

PARAMS = Path("params.yaml")


def apply_settings(settings: Sequence[str]) -> list[str]:
    """Set keys of params.yaml and return what changed, one line per key.

    Args:
        settings: Each `key.subkey=value`, the value as YAML.

    Raises:
        ValueError: For an unknown key or a value that the key cannot take. The file is then untouched.
        StageBusyError: Another process has been changing the file for too long.
    """

    def change(document: CommentedMap) -> list[str]:
        changes = []
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise ValueError(f"-S {setting}: write it as key=value, such as -S segment.max_clip_seconds=9")
            *path, last = key.split(".")
            section: Any = document
            for part in path:
                section = section.get(part) if isinstance(section, CommentedMap) else None
            if not isinstance(section, CommentedMap) or last not in section:
                raise ValueError(f"-S {setting}: params.yaml has no key {key}; the file itself lists the keys")
            value = _load(YAML(), text, source=f"-S {setting}: the value")  # keeps [0, 1] on one line
            if section[last] != value:
                changes.append(f"params.yaml: {key}: {section[last]} -> {value}")
                section[last] = value
        return changes

    return _edit(change)


def list_voice(name: str) -> None:
    """Add a voice to `voices` of params.yaml, once."""

    def change(document: CommentedMap) -> list[str]:
        if name in document["voices"]:
            return []
        document["voices"].append(name)
        return [f"params.yaml: voices: {name} added"]

    _edit(change)


def unlist_voice(name: str) -> None:
    """Remove a voice from `voices` of params.yaml. The only voice stays, because params.yaml needs one."""

    def change(document: CommentedMap) -> list[str]:
        if name not in document["voices"] or len(document["voices"]) == 1:
            return []
        document["voices"].remove(name)
        return [f"params.yaml: voices: {name} removed"]

    _edit(change)


def _edit(change: Callable[[CommentedMap], list[str]]) -> list[str]:
    with locked("params"):  # from the reading on, or a change that is written meanwhile is lost
        document = _load(_round_trip(), PARAMS.read_text(encoding="utf-8"), source=str(PARAMS))
        changes = change(document)
        if changes:
            text = StringIO()
            _round_trip().dump(document, text)
            # checked as it will be read: by the safe loader, as plain values
            source = "params.yaml with these settings"
            plain = _load(YAML(typ="safe"), text.getvalue(), source=source)
            parse_params(plain, source)
            parse_policy(plain["gate"])
            parse_settings(plain["serve"])
            write_atomically(PARAMS, text.getvalue())
        return changes


def _round_trip() -> YAML:
    """Return a reader and writer that keeps comments, quotes and lines as params.yaml has them."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold a line that a person wrote
    yaml.indent(mapping=2, sequence=4, offset=2)  # as params.yaml is written
    yaml.representer.add_representer(type(None), lambda as_, _: as_.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml


def _load(yaml: YAML, text: str, *, source: str) -> Any:
    try:
        return yaml.load(text)
    # ValueError: a day that does not exist such as 2030-02-31
    except (YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from error
