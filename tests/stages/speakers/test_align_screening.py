"""Align on a folder in which another speaker and a second copy of the voice's sentences are mixed."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stages.align import align
from stages.corrections.file import append_corrections
from stages.corrections.rows import Correction
from stages.execution.cache import ResultCache
from stages.ingest import ingest
from stages.params import load_params
from stages.segment import segment
from stages.tables import AlignedClip, Clip, Recording, read_table

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data/1_recordings/sample"
PARAMS = load_params(ROOT / "params.yaml")
NUMBERS = (21, 22, 23, 24)


@pytest.fixture
def clips(shared: Path, tmp_path: Path) -> Path:
    """A folder with manifest/ and clips/ of four sentences, two of them again in one file, and of one stranger."""
    folder = tmp_path / "sample"
    (folder / "wavs").mkdir(parents=True)
    for name in ("voice.yaml", "consent.md"):
        shutil.copyfile(SAMPLE / name, folder / name)
    lines = (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    names = [f"sample_{number:03d}" for number in NUMBERS]
    (folder / "metadata.csv").write_text("".join(line for line in lines if line.split("|")[0] in names))
    for name in names:
        shutil.copyfile(SAMPLE / f"wavs/{name}.flac", folder / f"wavs/{name}.flac")
    two = [soundfile.read(SAMPLE / f"wavs/{name}.flac", dtype="float32") for name in names[:2]]
    pause = np.zeros(two[0][1], np.float32)
    soundfile.write(folder / "joined.mp3", np.concatenate([two[0][0], pause, two[1][0]]), two[0][1])
    shutil.copyfile(
        sorted((shared / "data/librispeech_speakers/test/1998").glob("*.flac"))[1], folder / "somebody else.flac"
    )
    for part in ("manifest", "clips", "aligned"):
        (tmp_path / part).mkdir()
    ingest(folder, tmp_path / "manifest", PARAMS.ingest, date(2026, 6, 1))
    segment(folder, tmp_path / "manifest", tmp_path / "clips", PARAMS.segment)
    return tmp_path


@pytest.mark.slow
def test_the_stranger_is_named_or_excluded_and_no_sentence_is_kept_twice(
    clips: Path, capsys: pytest.CaptureFixture
) -> None:
    paths = {row.recording_id: row.path for row in read_table(clips / "manifest/recordings.jsonl", Recording)}
    cache = ResultCache(clips / "cache", 1 << 30)
    for policy in ("report", "exclude"):
        params = PARAMS.align.model_copy(update={"other_speakers": policy, "n_jobs": 1})
        align(
            clips / "clips",
            clips / "manifest",
            clips / "aligned",
            params,
            "faster-whisper-tiny.en",
            "ecapa_small",
            cache,
        )
        rows = read_table(clips / "aligned/clips.jsonl", AlignedClip)
        strange = [row for row in rows if paths[row.clip_id[:12]] == "somebody else.flac"]
        joined = [row for row in rows if paths[row.clip_id[:12]] == "joined.mp3"]
        own = [row for row in rows if row not in strange and row not in joined]
        assert [row.kept for row in own] == [True] * len(NUMBERS)
        assert {row.speaker for row in (*own, *joined)} == {0}
        assert {(row.speaker, row.kept) for row in strange} == {(1, policy == "report")}
        assert [row.reason.partition(":")[0] for row in joined] == ["the same sound as another clip"] * 2
        assert {row.duplicate_group for row in joined} == {row.clip_id for row in own[:2]}
        printed = capsys.readouterr().out
        assert "1 clip sounds like another speaker and is " in printed
        assert "somebody else.flac" in printed
        assert "joined.mp3 (2)" in printed


@pytest.mark.slow
def test_a_corrected_clip_stays_whatever_it_sounds_like_and_a_dropped_one_takes_its_copy_with_it(clips: Path) -> None:
    """A person corrects a copy and the stranger, and drops the other sentence that is there twice."""
    recordings = {row.path: row for row in read_table(clips / "manifest/recordings.jsonl", Recording)}
    cuts = {row.clip_id: row for row in read_table(clips / "clips/clips.jsonl", Clip)}
    texts = [line.split("|")[1] for line in (clips / "sample/metadata.csv").read_text().splitlines()]
    joined = f"{recordings['joined.mp3'].recording_id}-0000"
    stranger = f"{recordings['somebody else.flac'].recording_id}-0000"
    own = [f"{recordings[f'wavs/sample_{number:03d}.flac'].recording_id}-0000" for number in NUMBERS]

    def decide(clip_id: str, action: str, text: str | None = None) -> Correction:
        (sha256,) = {row.sha256 for row in recordings.values() if clip_id.startswith(row.recording_id)}
        span = {"start": cuts[clip_id].start, "end": cuts[clip_id].end}
        return Correction(
            recording_sha256=sha256, **span, action=action, text=text, by="anna", when="2026-11-29T05:40:12Z"
        )

    params = PARAMS.align.model_copy(update={"other_speakers": "exclude", "n_jobs": 1})
    arguments = (
        clips / "clips",
        clips / "manifest",
        clips / "aligned",
        params,
        "faster-whisper-tiny.en",
        "ecapa_small",
    )
    align(*arguments, ResultCache(clips / "cache", 1 << 30))
    said = {row.clip_id: row.asr_text for row in read_table(clips / "aligned/clips.jsonl", AlignedClip)}[stranger]
    rows = [decide(joined, "text", texts[0]), decide(stranger, "text", said), decide(own[1], "drop")]
    append_corrections(clips / "sample", lambda _: rows)
    shutil.rmtree(clips / "manifest")
    (clips / "manifest").mkdir()
    ingest(clips / "sample", clips / "manifest", PARAMS.ingest, date(2026, 6, 1))
    align(*arguments, ResultCache(clips / "cache", 1 << 30))
    after = {row.clip_id: row for row in read_table(clips / "aligned/clips.jsonl", AlignedClip)}
    assert {row.clip_id for row in after.values() if row.kept} == {joined, stranger, *own[2:]}
    assert (after[joined].text_source, after[stranger].speaker) == ("corrected", 1)
    assert after[own[0]].reason == f"the same sound as another clip: {joined}"
    copy = f"{joined.partition('-')[0]}-0001"
    assert after[copy].reason == f"the same sound as another clip: {own[1]}, which was dropped by review"
