"""A long recording whose transcript has faults: each fault is a row, and the other clips keep their exact text."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stages.align import align
from stages.ingest import ingest
from stages.params import load_params
from stages.segment import segment
from stages.tables import AlignedClip, Clip, Disagreement, read_table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "1_recordings" / "sample"
PARAMS = load_params(ROOT / "params.yaml")
ASR = "faster-whisper-tiny.en"
NUMBERS = (1, 2, 3, 4, 5, 6)
EXTRA = "Nothing like this has ever been recorded by anybody here."


def transcript_of(number: int) -> str:
    return (SAMPLE / "metadata.csv").read_text().splitlines()[number - 1].split("|")[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a voice with one recording of six sentences, cut into clips."""
    folder = tmp_path_factory.mktemp("faults") / "anna"
    folder.mkdir()
    (folder / "voice.yaml").write_text((SAMPLE / "voice.yaml").read_text().replace("name: sample", "name: anna"))
    shutil.copy(SAMPLE / "consent.md", folder)
    pause = np.zeros(20_000, np.float32)
    sounds = [soundfile.read(SAMPLE / f"wavs/sample_{number:03d}.flac", dtype="float32")[0] for number in NUMBERS]
    joined = np.concatenate([part for sound in sounds for part in (pause, sound)])
    soundfile.write(folder / "long.flac", joined, 16_000)
    texts = [transcript_of(number) for number in NUMBERS]
    texts[1] = texts[1].replace("shelf", "carpet")
    del texts[2]
    (folder / "long.txt").write_text(" ".join([EXTRA, *texts]))
    work = folder.parent / "work"
    for name in ("manifest", "clips"):
        (work / name).mkdir(parents=True)
    ingest(folder, work / "manifest", PARAMS.ingest, date(2026, 6, 1))
    segment(folder, work / "manifest", work / "clips", PARAMS.segment)
    return work


def aligned(work: Path, *repair: str) -> tuple[list[Clip], list[AlignedClip], list[Disagreement]]:
    out = work / "-".join(["aligned", *repair])
    out.mkdir()
    align(work / "clips", work / "manifest", out, PARAMS.align.model_copy(update={"repair": repair, "n_jobs": 1}), ASR)
    return (
        read_table(work / "clips/clips.jsonl", Clip),
        read_table(out / "clips.jsonl", AlignedClip),
        read_table(out / "disagreements.jsonl", Disagreement),
    )


def test_every_fault_is_a_row_and_the_other_clips_keep_their_exact_text(work: Path) -> None:
    clips, rows, disagreements = aligned(work)
    assert [row.text for row in rows] == [
        transcript_of(1), transcript_of(2).replace("shelf", "carpet"), "", *map(transcript_of, (4, 5, 6)),
    ]  # fmt: skip
    assert [row.kept for row in rows] == [True, True, False, True, True, True]
    (wrong,) = (one for one in disagreements if one.clip_id == clips[1].clip_id and "carpet" in one.written)
    (missing,) = (one for one in disagreements if one.clip_id == clips[2].clip_id)
    (extra,) = (one for one in disagreements if not one.clip_id)
    assert (wrong.written, wrong.heard, wrong.outcome) == ("carpet", "shelf", "kept")
    assert clips[1].start < wrong.start < wrong.end < clips[1].end
    assert missing.written == ""
    assert missing.heard.startswith("she measured the window")
    assert (missing.clip_id, missing.outcome, missing.doubt) == (clips[2].clip_id, "rejected", None)
    assert (missing.start, missing.end) == (pytest.approx(clips[2].start), pytest.approx(clips[2].end))
    assert (extra.clip_id, extra.outcome) == ("", "unused")
    assert extra.written.startswith("nothing like this has ever been recorded")
    assert (extra.start, extra.end) == (0.0, pytest.approx(clips[0].start, abs=0.001))


def test_a_wrong_word_is_repaired_where_that_is_chosen(work: Path) -> None:
    _, rows, disagreements = aligned(work, "substitute")
    assert rows[1].text == transcript_of(2)
    assert (rows[1].kept, rows[1].repair) == (True, "took 'shelf' for 'carpet'")
    assert ("carpet", "shelf", "repaired") in [(one.written, one.heard, one.outcome) for one in disagreements]
