"""Readers of transcripts in JSON: manifests with one object per line, tables, and what Whisper writes for each file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from stages.recordings.transcripts.audio_names import is_audio
from stages.recordings.transcripts.fields import is_text_field, read_fields
from stages.recordings.transcripts.pieces import join, several
from stages.recordings.transcripts.rows import LayoutError, Row

SEGMENTS = ("segments", "chunks", "utterances", "sentences", "cues")
NOT_A_TEXT = "has a list where its text should be; write one text"
WORD = re.compile(r"[^\W_]+")
SHAPES = '{"text": ...}, [{"file": ..., "text": ...}] and {"a.wav": ...}'


def read_json_lines(text: str, has_audio: Callable[[str], bool], *, has_own_audio: bool) -> list[Row]:
    """Return the rows of JSON Lines, such as a NeMo manifest or metadata.jsonl of Hugging Face.

    Args:
        text: content of the file.
        has_audio: whether a name is that of an audio file.
        has_own_audio: whether the file's own name is that of audio.

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
        rows.append(_row(value, has_audio, line=number, has_own_audio=has_own_audio))
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
        return read_json_lines(text, has_audio, has_own_audio=has_own_audio)
    value = _load(text, "")
    if isinstance(value, dict):
        if has_own_audio and isinstance(text := value.get("text"), str) and text.strip():
            pieces = [piece for key in SEGMENTS for piece in _pieces(value.get(key))]
            return [Row(line=None, name="", text=text, fault=several(pieces), subtitles=True)]
        if any((has_audio(name) and not (has_own_audio and name.isdecimal())) or is_audio(name) for name in value):
            return [_named_row(name, content, has_audio) for name, content in value.items()]
        parts = [part for part in value.values() if _are_objects(part)] or [[value]]  # such as train and test
    else:
        parts = [value] if _are_objects(value) else []
    tables = [[_row(item, has_audio, line=None, has_own_audio=has_own_audio) for item in part] for part in parts]
    if rows := [row for table in tables if any(row.name and row.text for row in table) for row in table]:
        return rows
    spoken = [_joined(part) for part, table in zip(parts, tables, strict=True) if any(row.text for row in table)]
    if len({"".join(WORD.findall(row.text.casefold())) for row in spoken}) > 1:
        raise LayoutError("holds several lists of texts with different words; keep the right one")
    if has_own_audio and spoken:
        return [spoken[0]]
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


def _row(
    item: Mapping[str, Any], has_audio: Callable[[str], bool], *, line: int | None, has_own_audio: bool = False
) -> Row:
    """Return the row of an object, whose text may be in a list of segments."""
    row = read_fields(item, has_audio, line=line, has_own_audio=has_own_audio)
    segments = next((item[key] for key in SEGMENTS if _are_objects(item.get(key))), None)
    if segments is None:
        is_list = not row.text and any(is_text_field(key) and isinstance(item[key], list) and item[key] for key in item)
        return replace(row, fault=row.fault or (NOT_A_TEXT if is_list else ""))
    if row.text:
        return replace(row, fault=row.fault or several(_pieces(segments)))
    joined = _joined(segments)
    return replace(row, text=joined.text, fault=row.fault or joined.fault, subtitles=True)


def _named_row(name: str, content: object, has_audio: Callable[[str], bool]) -> Row:
    """Return the row of a value whose key names the audio: a text, an object or a list of segments."""
    if isinstance(content, dict):
        return replace(_row(content, has_audio, line=None), name=name)
    if _are_objects(content):
        return replace(_joined(content), name=name)
    fault = NOT_A_TEXT if isinstance(content, list) and content else ""
    return Row(line=None, name=name, text=content if isinstance(content, str) else "", fault=fault)


def _joined(segments: object) -> Row:
    """Return the texts of segments as a row without a name. Whoever is named in them is not the voice's name."""
    return replace(join(_pieces(segments)), speaker="", language="", subtitles=True)


def _pieces(segments: object) -> list[Row]:
    if not isinstance(segments, list):
        return []
    rows = [read_fields(item, lambda _: False, line=None) for item in segments if isinstance(item, dict)]
    return [replace(row, name="") for row in rows]
