"""Which named columns of a table, or keys of a JSON object, hold the audio's name, the text, speaker and language."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from stages.recordings.transcripts.audio_names import without_audio_suffix
from stages.recordings.transcripts.folders import fold
from stages.recordings.transcripts.rows import Row

# The better one of two that are both there comes first.
NAMES = (
    *("path", "file", "audio", "filename", "file_name", "file_path", "filepath", "relative_path"),
    *("audio_file", "audio_path", "audio_filepath", "audio_filename", "audio_name", "audiofile"),
    *("wav", "wav_file", "wav_path", "wav_filename", "wav_filepath", "wav_name", "recording", "clip", "fname"),
    *("basename", "name", "key", "id", "utt", "uttid", "utt_id", "utterance_id", "file_id", "audio_id", "clip_id"),
    *("recording_id", "segment_id", "sample_id", "uid"),
)
TEXTS = (
    *("normalized_text", "normalised_text", "normalized_transcript", "normalized_transcription"),
    *("normalized_sentence", "normalized", "normalised", "text_normalized"),
    *("text", "sentence", "transcript", "transcription", "utterance", "spoken_text", "caption", "content"),
    *("raw_text", "raw_transcript", "raw_transcription", "raw_sentence", "original_text"),
)
SPEAKERS = ("speaker", "speaker_id", "speaker_name", "spk", "spk_id", "client_id")
LANGUAGES = ("language", "lang", "locale", "lang_id")
STARTS = ("start", "start_time", "start_seconds", "begin", "offset")


def is_header(cells: Iterable[str]) -> bool:
    """Return whether the cells of a line are names of columns, one for the audio and one for the text among them."""
    keys = {_key(cell) for cell in cells}
    return not keys.isdisjoint(NAMES) and not keys.isdisjoint(TEXTS)


def is_text_field(written: str) -> bool:
    """Return whether a column holds texts."""
    return _key(written) in TEXTS


def read_fields(
    fields: Mapping[str, object], has_audio: Callable[[str], bool], *, line: int | None, subtitles: bool = False
) -> Row:
    """Return the row that named values make. Its name is the first that is audio, its text the first that is not empty.

    A path that was looked for in vain is not replaced by its last part, which may be in another folder.

    Args:
        fields: values by the names of their columns.
        has_audio: whether a name is that of an audio file.
        line: number of its line in the file, None where it has none.
        subtitles: whether brackets in the text are notes on sounds.
    """
    values = {_key(key): _written(value) for key, value in fields.items()}
    names = [values[key] for key in NAMES if values.get(key)]
    start = _first(values, STARTS)
    return Row(
        line=line,
        name=_best_name(names, has_audio),
        text=_first(values, TEXTS),
        speaker=_first(values, SPEAKERS),
        language=_first(values, LANGUAGES),
        start=_seconds(start) if start else None,
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
    try:
        seconds = float(written.replace(",", "."))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
