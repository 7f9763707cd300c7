"""The tables that pass between stages: JSON Lines with one typed row per line, in a stated order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Row(BaseModel):
    """A row of a table. It is frozen, and refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recording(Row):
    """One usable file of data/1_recordings/VOICE. Written by ingest as recordings.jsonl."""

    recording_id: str = Field(description="stable id: first 12 hex digits of the file's sha256")
    path: str = Field(description="POSIX path relative to the voice's recordings folder")
    sha256: str = Field(description="hash of the file's bytes")
    seconds: float = Field(gt=0, description="length of the audio")
    sample_rate: int = Field(gt=0, description="sample rate in Hz")
    n_channels: int = Field(gt=0, description="number of channels")
    channel: int | None = Field(
        ge=1, description="channel that the clips are cut from, counted from 1; null for the mean of all, which agree"
    )
    channels: Literal["single", "agree", "differ", "opposite phase", "silent channels", "several talkers"] = Field(
        description="how the channels relate; where they do not agree, the loudest one is taken"
    )
    dc_offset: float = Field(description="constant offset of that channel, which is subtracted from its samples")
    full_scale: float = Field(
        ge=1, description="peak of a file with float samples above 1, by which they are divided; else 1"
    )
    level_dbfs: float = Field(
        description="RMS level of that channel where it is not silent (gated as in ITU-R BS.1770), in dB relative to "
        "full scale"
    )
    clipped_share: float = Field(ge=0, le=1, description="share of its samples at full scale, 0 to 1")
    longest_clipping: int = Field(
        default=0, ge=0, description="longest run of samples at full scale or equal at a peak; 0 where there is none"
    )
    loudness_lufs: float | None = Field(
        default=None, description="integrated loudness (ITU-R BS.1770), in LUFS; null below -70 LUFS"
    )
    snr_db: float | None = Field(
        default=None, le=90, description="level of speech above the noise in its pauses, in dB, up to 90"
    )
    bandwidth_hz: int | None = Field(
        default=None, gt=0, description="frequency up to which there is sound, in Hz; null where there is hardly any"
    )
    reverberation_seconds: float | None = Field(
        default=None, ge=0, description="estimate of the room's T60, 0.2 to 1.5 seconds; null where nothing falls off"
    )
    music_share: float | None = Field(
        default=None, ge=0, le=1, description="share of the time in which steady tones sound, as of music or strong hum"
    )
    duplicate_of: str | None = Field(
        default=None, description="path of a recording that holds the same sound; null where there is none"
    )
    transcript: str | None = Field(description="what is said, as given; null where no transcript came with it")
    language: str = Field(description="ISO 639 code of the voice's language, from its voice.yaml")


class Reject(Row):
    """Something that a stage could not use. Written as rejects.jsonl, by the adaptation stages as dropped.jsonl."""

    path: str = Field(description="what was rejected: a file, a row of a transcript file, or a clip id")
    reason: str = Field(description="why it was rejected")
    seconds: float | None = Field(default=None, ge=0, description="length of the sound; null where it is not known")


class Clip(Row):
    """One clip of a recording. Written by segment as clips.jsonl."""

    clip_id: str = Field(description="RECORDING_ID-NNNN, counted from 0000 within the recording")
    recording_id: str = Field(description="id of the recording that it was cut from")
    path: str = Field(description="POSIX path of the FLAC file relative to the clips folder")
    start: float = Field(ge=0, description="start in the recording, in seconds")
    end: float = Field(gt=0, description="end in the recording, in seconds")
    seconds: float = Field(gt=0, description="length of the clip")
    gain_db: float = Field(description="gain applied by loudness normalisation, in dB")


class AlignedClip(Row):
    """A clip with its text. Written by align as clips.jsonl. The stage features takes the kept ones."""

    clip_id: str = Field(description="id of the clip")
    path: str = Field(
        description="POSIX path of the FLAC file relative to the clips folder, or trimmed/CLIP_ID.flac relative to "
        "this table's folder where align trimmed the clip (stages/clip_audio.py: clip_file)"
    )
    seconds: float = Field(gt=0, description="length of the clip")
    trimmed_seconds: float = Field(0.0, ge=0, description="what align cut off the start of the clip, in seconds")
    text: str = Field(description="what is said in this clip")
    text_source: Literal["given", "asr", "corrected"] = Field(
        description="where the text comes from: a transcript, the ASR, or a person who heard the clip (vox review)"
    )
    asr_text: str = Field(description="what the ASR heard, normalised")
    cer: float | None = Field(description="character error rate of asr_text against text; null where text is the ASR's")
    words: tuple[tuple[str, float, float], ...] = Field(description="(word, start, end) in seconds within the clip")
    kept: bool = Field(description="whether later stages use the clip")
    reason: str = Field(description="why it was rejected; empty where it is kept")
    repair: str = Field("", description="what align.repair changed in its text or its sound; empty where nothing")
    split: Literal["train", "held_out"] = Field(description="whether the clip is for training or held out of it")
    speaker: int | None = Field(
        default=None, ge=0, description="0 for the voice, 1, 2, ... for other speakers; null where it was not compared"
    )
    speaker_similarity: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="cosine of its speaker embedding to the centre of the clips of the voice; null as above",
    )
    duplicate_group: str | None = Field(
        default=None, description="id of the best of the clips that hold the same sound; null where there is one only"
    )
    language: str = Field(description="ISO 639 code of what is said")


class Disagreement(Row):
    """A place where sound and transcript of a recording disagree. Written by align as disagreements.jsonl."""

    recording_id: str = Field(description="id of the recording")
    clip_id: str = Field(description="id of the clip; empty where words of the transcript are said in no clip")
    start: float = Field(ge=0, description="start of the place in seconds within the recording")
    end: float = Field(ge=0, description="end of the place in seconds within the recording")
    written: str = Field(description="the words of the transcript, normalised; empty where it lacks what is said")
    heard: str = Field(description="the words that the ASR heard instead, normalised; empty where it heard none")
    doubt: float | None = Field(
        description="how much more probable the sound is with what was heard than with what is written: difference of "
        "the natural logarithms, and a constant more where words are missing; null where the sound was not asked, "
        "because the text belongs to other speech or to no clip"
    )
    outcome: Literal["kept", "repaired", "rejected", "unused"] = Field(
        description="what became of the clip with the place: kept as written, repaired (the place is no longer in it, "
        "or has the words heard), or rejected; unused: the words belong to no clip"
    )


class FeatureClip(Row):
    """A kept clip whose features are in tensors/CLIP_ID.safetensors. Written by features as clips.jsonl."""

    clip_id: str = Field(description="id of the clip")
    split: Literal["train", "held_out"] = Field(description="whether the clip is for training or held out of it")
    text: str = Field(description="what is said in this clip")
    seconds: float = Field(gt=0, description="length of the clip")
    n_phonemes: int = Field(gt=0, description="phonemes of the text")
    n_tokens: int = Field(gt=0, description="semantic tokens, 25 per second")
    similarity: float = Field(ge=-1, le=1, description="cosine of its speaker embedding to the voice's centroid")
    language: str = Field(description="ISO 639 code of what is said")


class VoiceReference(Row):
    """The reference clip of the voice, and the voice's pace. Written by features as reference.json."""

    clip_id: str = Field(description="id of the clip")
    text: str = Field(description="what is said in this clip")
    seconds: float = Field(gt=0, description="length of the clip")
    similarity: float = Field(ge=-1, le=1, description="cosine of its speaker embedding to the voice's centroid")
    seconds_per_phoneme: float = Field(gt=0, description="pace of the voice, over all training clips")
    language: str = Field(description="ISO 639 code of the voice's language")


class CheckpointPairRow(Row):
    """Pooled figures of one checkpoint pair in one rung of the selection. Written by evaluate as pairs.csv."""

    rung: int = Field(ge=1, description="rung of the selection, 1 with the fewest prompts")
    n_prompts: int = Field(ge=1, description="prompts that the pair has said so far")
    gpt_epoch: int = Field(ge=0, description="epoch of the GPT; 0 for the base before adaptation")
    sovits_epoch: int = Field(ge=0, description="epoch of the SoVITS; 0 for the base before adaptation")
    wer: float = Field(ge=0, description="word error rate")
    cer: float = Field(ge=0, description="character error rate")
    similarity: float | None = Field(
        ge=-1, le=1, description="mean cosine to the voice's reference embedding; null where it could not be measured"
    )
    failed_share: float = Field(ge=0, le=1, description="share of utterances with a failure, 0 to 1")
    interpolation_weight: float = Field(
        default=1.0, ge=0, le=1, description="weight of the adapted SoVITS, the rest being the base's, 0 to 1"
    )
    kept: bool = Field(
        description="whether the pair goes on to the next rung; in the last rung, whether it is the best pair; for an "
        "interpolation weight below 1, whether it was chosen"
    )


T = TypeVar("T", bound=BaseModel)


def write_table(path: Path, rows: Iterable[BaseModel]) -> None:
    """Write one row per line, with keys in the order of the class. The caller moves the file into place."""
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")


def read_table(path: Path, row_class: type[T]) -> list[T]:
    """Read the rows of a table.

    Raises:
        ValueError: a row does not fit its class. The message names the file and line of the first bad row.
    """
    lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: a name may hold U+2028 and the like
    if not lines[-1]:
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(row_class.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise ValueError(
                f"{path}:{number}: {where}: {fault['msg']}; run the stage that wrote this table again"
            ) from error
    return rows


def shared_language(rows: Iterable[Recording | AlignedClip | FeatureClip], path: Path) -> str:
    """Return the ISO 639 code that all rows of a voice's table share.

    Args:
        rows: rows of the table, at least one.
        path: the table, which errors name.

    Raises:
        ValueError: there is no row, or the rows differ.
    """
    languages = sorted({row.language for row in rows})
    if len(languages) != 1:
        raise ValueError(
            f"{path} names {len(languages)} languages ({', '.join(languages) or 'no row'}), and a voice has one; "
            "run the stage that wrote this table again"
        )
    return languages[0]


def write_json(path: Path, value: object) -> None:
    """Write indented JSON with sorted keys and without NaN, so that equal values give equal bytes."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Return rows with the same keys as CSV with a header and Unix line ends, as DVC's plots read it."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
