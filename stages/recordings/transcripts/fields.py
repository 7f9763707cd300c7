"""Which named columns of a table, or keys of a JSON object, hold the audio's name, the text, speaker and language."""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from stages.recordings.transcripts.audio_names import without_audio_suffix
from stages.recordings.transcripts.clock import clock_seconds
from stages.recordings.transcripts.folders import fold
from stages.recordings.transcripts.rows import Row

# The better one of two that are both there comes first.
PATHS = (
    *("path", "file", "audio", "filename", "file_name", "file_path", "filepath", "relative_path"),
    *("audio_file", "audio_path", "audio_filepath", "audio_filename", "audio_name", "audiofile"),
    *("wav", "wav_file", "wav_path", "wav_filename", "wav_filepath", "wav_name", "recording", "clip", "fname"),
    "basename",
)
IDS = (
    *("name", "key", "id", "utt", "uttid", "utt_id", "utterance_id", "file_id", "audio_id", "clip_id"),
    *("recording_id", "segment_id", "sample_id", "uid"),
)
NAMES = (*PATHS, *IDS)
TEXTS = (
    *("normalized_text", "normalised_text", "normalized_transcript", "normalized_transcription"),
    *("normalized_sentence", "normalized", "normalised", "text_normalized"),
    *("text", "sentence", "transcript", "transcription", "utterance", "spoken_text", "caption", "content"),
    *("raw_text", "raw_transcript", "raw_transcription", "raw_sentence", "original_text"),
)
SPEAKERS = ("speaker", "speaker_id", "speaker_name", "spk", "spk_id", "client_id")
LANGUAGES = ("language", "lang", "locale", "lang_id")
STARTS = ("start", "start_time", "start_seconds", "begin", "offset")
KNOWN = frozenset((*NAMES, *TEXTS, *SPEAKERS, *LANGUAGES, *STARTS))
# 1.5, 0,5 and 1,25, but not 1,500, which is one and a half second or 1500
SECONDS = re.compile(
    r"-?(?:\d+(?:\.\d*)?|\.\d+|\d+,\d{1,2}|\d+,\d{4,}|0,\d{3})(?:e[+-]?\d+)?\s*(?:s|sec|seconds)?", re.I
)
NOTHING = frozenset({"nan", "none", "null", "na", "n/a", "-"})


def is_header(cells: Iterable[str]) -> bool:
    """Return whether the cells of a line are names of columns, one for the audio and one for the text among them."""
    keys = {_key(cell) for cell in cells}
    return not keys.isdisjoint(NAMES) and not keys.isdisjoint(TEXTS)


def known_twice(written: Iterable[str]) -> str:
    """Return a known name that two columns or keys have, in whatever spelling, or an empty text."""
    counts = Counter(_key(name) for name in written)
    return next((name for name, count in counts.items() if count > 1 and name in KNOWN), "")


def is_known_field(written: str) -> bool:
    """Return whether a column is one of those that are read."""
    return _key(written) in KNOWN


def is_name_field(written: str) -> bool:
    """Return whether a column holds names of audio."""
    return _key(written) in NAMES


def is_start_field(written: str) -> bool:
    """Return whether a column holds the times at which texts begin."""
    return _key(written) in STARTS


def is_text_field(written: str) -> bool:
    """Return whether a column holds texts."""
    return _key(written) in TEXTS


def read_fields(
    fields: Mapping[str, object],
    has_audio: Callable[[str], bool],
    *,
    line: int | None,
    subtitles: bool = False,
    has_own_audio: bool = False,
) -> Row:
    """Return the row that named values make. Its name is the first that is audio, its text the first that is not empty.

    A path that was looked for in vain is not replaced by its last part, which may be in another folder.

    Args:
        fields: values by the names of their columns.
        has_audio: whether a name is that of an audio file.
        line: number of its line in the file, None where it has none.
        subtitles: whether brackets in the text are notes on sounds.
        has_own_audio: whether the file is named like a recording. Numbers are then those of its segments.
    """
    values = {_key(key): _written(value) for key, value in fields.items()}
    names = [values[key] for key in PATHS if values.get(key)]
    ids = [values[key] for key in IDS if values.get(key)]
    names += [name for name in ids if not has_own_audio or (has_audio(name) and not name.isdecimal())]
    written = _first(values, STARTS)
    start, fault = _seconds(written), ""
    if written and start is None and written.lower() not in NOTHING:
        fault = f"begins at {written[:40]!r}, which is not a time that can be read; write seconds, such as 1500 or 1.5"
    if twice := known_twice(fields):
        fault = f"the key {twice!r} is there twice; keep the right one"
    return Row(
        line=line,
        name=_best_name(names, has_audio),
        text=_first(values, TEXTS),
        speaker=_first(values, SPEAKERS),
        language=_first(values, LANGUAGES),
        start=start,
        fault=fault,
        subtitles=subtitles,
    )


def _best_name(names: Sequence[str], has_audio: Callable[[str], bool]) -> str:
    best = next(filter(has_audio, names), names[0] if names else "")
    folder, last = _split(best)
    paths = [] if folder else [name for name in names if _split(name)[0] and _split(name)[1] == last]
    return next(filter(has_audio, paths), paths[0] if paths else best)


def _split(name: str) -> tuple[str, str]:
    """Return the folder of a path, and its last part in the form in which it is compared."""
    folder, last = posixpath.split(name.replace("\\", "/"))
    return folder, fold(without_audio_suffix(last))


def _key(written: str) -> str:
    return written.strip().strip("\"'").lower().replace(" ", "_").replace("-", "_")


def _written(value: object) -> str:
    if isinstance(value, Mapping):  # {"audio": {"path": ...}} of Hugging Face
        value = value.get("path")
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _first(values: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((values[key] for key in keys if values.get(key)), "")


def _seconds(written: str) -> float | None:
    """Return a time in seconds, written as 12.5, 0:12 or 00:00:12.500, or None where it is not one."""
    if SECONDS.fullmatch(written):
        seconds = float(written.lower().rstrip("second ").replace(",", "."))
        return seconds if math.isfinite(seconds) else None
    return clock_seconds(written)
