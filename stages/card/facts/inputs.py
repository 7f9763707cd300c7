"""The tables that a data card is made of. It is made of whatever exists, and says what does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from stages.tables import AlignedClip, Clip, Disagreement, Recording, Reject, read_table, shared_language


@dataclass(frozen=True)
class TableFolders:
    """The folders in which the first three stages wrote one voice. The last two need not exist."""

    manifest: Path  # data/1_manifests/VOICE
    clips: Path  # data/2_clips/VOICE
    aligned: Path  # data/3_aligned/VOICE


@dataclass(frozen=True, kw_only=True)
class VoiceTables:
    """What the stages know of a voice's recordings.

    Attributes:
        voice: name of the voice.
        language: ISO 639 code of its language.
        recordings: the usable recordings.
        ingest_rejects: files and rows of transcripts that ingest refused.
        clips: what segment cut, None where it has not.
        segment_rejects: stretches of recordings that segment refused.
        aligned: the same clips with their texts, None where align has not finished.
        disagreements: places where text and sound of a clip differ.
        lexicon: the voice's own pronunciations.
        missing: one sentence on each table that is not there, and why.
    """

    voice: str
    language: str
    recordings: tuple[Recording, ...]
    ingest_rejects: tuple[Reject, ...]
    clips: tuple[Clip, ...] | None = None
    segment_rejects: tuple[Reject, ...] = ()
    aligned: tuple[AlignedClip, ...] | None = None
    disagreements: tuple[Disagreement, ...] = ()
    lexicon: Lexicon = field(default_factory=Lexicon)
    missing: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[AlignedClip, ...]:
        """Return the clips that later stages use."""
        return tuple(clip for clip in self.aligned or () if clip.kept)

    @property
    def training(self) -> tuple[AlignedClip, ...]:
        """Return the kept clips that the models are trained on."""
        return tuple(clip for clip in self.kept if clip.split == "train")


def load_tables(voice: str, folders: TableFolders) -> VoiceTables:
    """Load the tables of a voice. A table of an earlier version of the recordings counts as missing.

    Raises:
        ValueError: ingest has not finished, or a table is broken.
    """
    manifest = folders.manifest / "recordings.jsonl"
    if not manifest.is_file():
        raise ValueError(
            f"{folders.manifest} has no recordings.jsonl, so there is nothing to describe; run `vox run {voice}`, "
            "which begins with ingest"
        )
    recordings = tuple(read_table(manifest, Recording))
    clips, cut_rejects, no_clips = _load_clips(folders.clips, recordings)
    aligned, disagreements, no_texts = _load_aligned(folders.aligned, clips)
    lexicon = folders.manifest / LEXICON_FILE
    return VoiceTables(
        voice=voice,
        language=shared_language(recordings, manifest),
        recordings=recordings,
        ingest_rejects=tuple(read_table(folders.manifest / "rejects.jsonl", Reject)),
        clips=clips,
        segment_rejects=cut_rejects,
        aligned=aligned,
        disagreements=disagreements,
        lexicon=load_lexicon(lexicon) if lexicon.is_file() else Lexicon(),
        missing=tuple(sentence for sentence in (no_clips, no_texts) if sentence),
    )


def _load_clips(
    folder: Path, recordings: tuple[Recording, ...]
) -> tuple[tuple[Clip, ...] | None, tuple[Reject, ...], str]:
    """Return the clips and the rejects of segment, or None and why there are none."""
    if not (folder / "clips.jsonl").is_file():
        return None, (), "The recordings have not been cut into clips: the stage segment has not finished."
    clips = tuple(read_table(folder / "clips.jsonl", Clip))
    if not {clip.recording_id for clip in clips} <= {recording.recording_id for recording in recordings}:
        return None, (), "The clips are of earlier recordings: the stage segment must run again."
    return clips, tuple(read_table(folder / "rejects.jsonl", Reject)), ""


def _load_aligned(
    folder: Path, clips: tuple[Clip, ...] | None
) -> tuple[tuple[AlignedClip, ...] | None, tuple[Disagreement, ...], str]:
    """Return the clips with their texts and the disagreements, or None and why there are none."""
    if not (folder / "clips.jsonl").is_file():
        return None, (), "The clips have no texts: the stage align has not finished, or it stopped with an error."
    aligned = tuple(read_table(folder / "clips.jsonl", AlignedClip))
    if clips is None or {clip.clip_id for clip in aligned} != {clip.clip_id for clip in clips}:
        return None, (), "The texts are of earlier clips: the stage align must run again."
    return aligned, tuple(read_table(folder / "disagreements.jsonl", Disagreement)), ""
