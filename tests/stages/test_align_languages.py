"""Ingest, segment and align in the languages that the ASR aligns, with a random multilingual checkpoint.

What it hears is garbage, so these tests show the way of a clip through the stage and not whether its text is right.
"""

from __future__ import annotations

import itertools
import shutil
from datetime import date
from pathlib import Path

import pytest
from whisper_tiny import write_tiny_whisper

from stages.align import align
from stages.alignment import transcribe
from stages.ingest import ingest
from stages.params import load_params
from stages.segment import segment
from stages.tables import AlignedClip, read_table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "1_recordings" / "sample"
PARAMS = load_params(ROOT / "params.yaml")
ASR = "faster-whisper-large-v3"
TRANSCRIPTS = {
    "zh": "今天天气很好，我说OK。",
    "ja": "今日は天気がいいです。OKですか。",
    "ko": "오늘은 날씨가 맑아요. OK입니다.",
    "yue": "我哋係香港人，你呢？OK呀。",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_whisper(folder, "large-v3")
    return folder


def voice_in(folder: Path, language: str) -> Path:
    """A voice of two recordings: one without a transcript and one with a transcript."""
    folder.mkdir()
    record = (SAMPLE / "voice.yaml").read_text().replace("name: sample", f"name: {folder.name}")
    (folder / "voice.yaml").write_text(record.replace("language: en", f"language: {language}"))
    shutil.copy(SAMPLE / "consent.md", folder)
    for number in (1, 6):
        shutil.copy(SAMPLE / "wavs" / f"sample_{number:03d}.flac", folder / f"x{number}.flac")
    (folder / "x6.txt").write_text(TRANSCRIPTS[language])
    return folder


@pytest.mark.parametrize("language", TRANSCRIPTS)
def test_every_clip_has_a_text_with_times_in_its_language(
    language: str, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcribe, "judge_weights", lambda _: weights)
    transcribe.load_transcriber_once.cache_clear()
    folder = voice_in(tmp_path / "anna", language)
    for part in ("manifest", "clips", "aligned", "again"):
        (tmp_path / part).mkdir()
    ingest(folder, tmp_path / "manifest", PARAMS.ingest, date(2026, 6, 1))
    segment(folder, tmp_path / "manifest", tmp_path / "clips", PARAMS.segment)
    params = PARAMS.align.model_copy(update={"n_jobs": 1})
    for out in ("aligned", "again"):
        align(tmp_path / "clips", tmp_path / "manifest", tmp_path / out, params, ASR)
    without, given = read_table(tmp_path / "aligned" / "clips.jsonl", AlignedClip)
    assert (without.kept, without.text_source, without.language) == (True, "asr", language)
    assert (given.text, given.text_source, given.language) == (TRANSCRIPTS[language], "given", language)
    assert given.reason.startswith("character error rate above align.max_cer")
    assert "OK" in "".join(word for word, _, _ in given.words)
    for clip in (without, given):
        assert clip.words
        assert all(0 <= start <= end <= clip.seconds for _, start, end in clip.words)
        assert all(one[2] <= other[1] + 1e-9 for one, other in itertools.pairwise(clip.words))
    assert (tmp_path / "aligned/clips.jsonl").read_bytes() == (tmp_path / "again/clips.jsonl").read_bytes()
