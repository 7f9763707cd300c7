"""Readers of transcripts in JSON: manifests with one object per line, tables, and what Whisper writes for each file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from stages.recordings.transcripts.audio_names import is_audio
from stages.recordings.transcripts.fields import read_fields
from stages.recordings.transcripts.rows import LayoutError, Row

SHAPES = '{"text": ...}, [{"file": ..., "text": ...}] and {"a.wav": ...}'


def read_json_lines(text: str, has_audio: Callable[[str], bool]) -> list[Row]:
    """Return the rows of JSON Lines, such as a NeMo manifest or metadata.jsonl of Hugging Face.

    Raises:
        LayoutError: a line is not a JSON object.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        value = _load(line, f"line {number} ")
        if not isinstance(value, dict):
            raise LayoutError(f"line {number} is not a JSON object but {line.strip()[:40]!r}")
        rows.append(read_fields(value, has_audio, line=number))
    return rows


def read_json(text: str, has_audio: Callable[[str], bool], *, has_own_audio: bool) -> list[Row]:
    """Return the rows of a JSON file, which may have an object per line. A text of Whisper becomes one without a name.

    Args:
        text: content of the file.
        has_audio: whether a name is that of an audio file.
        has_own_audio: whether the file's own name is that of audio.

    Raises:
        LayoutError: it is not JSON, or it holds no texts in a known shape.
    """
    if text.startswith("{") and "}\n{" in text.replace("\r", ""):  # NeMo calls its JSON Lines manifest.json
        return read_json_lines(text, has_audio)
    value = _load(text, "")
    if isinstance(value, dict):
        text = value.get("text")
        segments = value.get("segments")
        if has_own_audio and isinstance(text, str) and text.strip():
            return [Row(line=None, name="", text=text, subtitles=True)]
        if has_own_audio and _are_objects(segments):
            return [_joined(segments)]
        if any(has_audio(name) or is_audio(name) for name in value):
            return [Row(line=None, name=name, text=_text(content, has_audio)) for name, content in value.items()]
        parts = [part for part in value.values() if _are_objects(part)] or [[value]]  # such as train and test
    else:
        parts = [value] if _are_objects(value) else []
    tables = [[read_fields(item, has_audio, line=None) for item in part] for part in parts]
    if rows := [row for table in tables if any(row.name and row.text for row in table) for row in table]:
        return rows
    spoken = [part for part, table in zip(parts, tables, strict=True) if any(row.text for row in table)]
    if has_own_audio and spoken:
        return [_joined(spoken[0])]
    raise LayoutError(f"holds JSON in another shape than {SHAPES}")


def _load(text: str, where: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=lambda _: None
        )  # pandas writes NaN for nothing
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"{where}is not JSON that can be read ({error})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Python's own reader would take the last of two values of one key."""
    value = dict(pairs)
    if len(value) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {key[:80]!r} is there twice; keep the right one")
    return value


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _joined(segments: list[Mapping[str, Any]]) -> Row:
    texts = [str(segment.get("text") or "").strip() for segment in segments]
    return Row(line=None, name="", text="\n".join(texts), subtitles=True)


def _text(content: object, has_audio: Callable[[str], bool]) -> str:
    if isinstance(content, dict):
        return read_fields(content, has_audio, line=None).text
    return content if isinstance(content, str) else ""
