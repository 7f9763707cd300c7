"""Whether settings are those that stages ran with, as DVC recorded them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stages.execution.inputs import flatten, look_up
from stages.params import Params

NOT_MODEL_STAGES = ("data_card",)  # no stage before the registration reads what it writes
TYPES = {field.alias or name: field.annotation for name, field in Params.model_fields.items()}


def find_other_settings(records: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield which settings are not those of the stages that made a voice.

    Args:
        records: the entry of each stage in dvc.lock, by names such as `ingest@sample`.
        settings: params.yaml, or the registered params.json.

    Yields:
        Texts such as `segment ran with segment.max_clip_seconds 12.0, not 9.0`.
    """
    for name, entry in records.items():
        stage = name.partition("@")[0]
        recorded = entry.get("params", {}).get("params.yaml", {}) if stage not in NOT_MODEL_STAGES else {}
        for key, value in recorded.items():
            for place, ran, now in _compare(key, value, settings):
                yield f"{stage} ran with {place} {ran}, not {now}"


def require_same_settings(records: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> None:
    """Raise ValueError where params.yaml has changed since a stage ran. For the arguments see find_other_settings."""
    if others := list(find_other_settings(records, settings)):
        more = f" ({len(others) - 1} more)" if len(others) > 1 else ""
        raise ValueError(f"params.yaml has changed meanwhile: {others[0]}{more}; run again, or set it back first")


def _compare(key: str, value: Any, settings: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted key and both values, as JSON, of each difference below a key.

    The registered settings went through the types of stages/params.py: they have defaults, and 12 may be 12.0 there.
    So both sides go through them. Types of a later version may refuse an old value, which then counts as it is.
    """
    section, _, rest = key.partition(".")
    known = settings.get(section)
    used = _replaced(known, rest, value) if rest else value
    typed = [_typed(section, used), _typed(section, known)]
    if None not in typed:
        used, known = typed
    before, after = (flatten(key, look_up(one, rest) if rest else one) for one in (used, known))
    for place in sorted(before.keys() | after.keys()):
        if before.get(place) != after.get(place):
            yield place, *(json.dumps(one[place], default=str) if place in one else "unset" for one in (before, after))


def _typed(section: str, value: Any) -> Any:
    """Return a section with its defaults as JSON values, None where its type refuses it."""
    try:
        adapter = TypeAdapter(TYPES[section])
        return adapter.dump_python(adapter.validate_python(value), mode="json", by_alias=True)
    except (KeyError, ValidationError):
        return None


def _replaced(values: Any, key: str, value: Any) -> Any:
    """Return a copy of a section with another value at a dotted key."""
    if not isinstance(values, Mapping):
        return None
    part, _, rest = key.partition(".")
    changed = dict(copy.copy(values))
    changed[part] = _replaced(values.get(part) or {}, rest, value) if rest else value
    return changed
