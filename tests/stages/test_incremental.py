"""A voice that grows: only what is new is computed, and the outputs are those of a run without the cache."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.files import file_sha256
from stages.align import align
from stages.alignment import clip_texts
from stages.alignment import transcribe as transcribing
from stages.corrections.file import append_corrections
from stages.corrections.rows import Correction
from stages.execution.cache import NO_CACHE, ResultCache
from stages.ingest import ingest
from stages.params import load_params
from stages.recordings import measured_files
from stages.segment import segment
from stages.tables import AlignedClip, Clip, read_table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "1_recordings" / "sample"
PARAMS = load_params(ROOT / "params.yaml")
TODAY = date(2026, 6, 1)
NUMBERS = (33, 18, 60, 6)  # short recordings of the sample voice
TEXTS = dict(line.split("|")[:2] for line in (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines())


def new_voice(folder: Path) -> Path:
    folder.mkdir(parents=True)
    record = (SAMPLE / "voice.yaml").read_text(encoding="utf-8").replace("name: sample", f"name: {folder.name}")
    (folder / "voice.yaml").write_text(record, encoding="utf-8")
    shutil.copy(SAMPLE / "consent.md", folder)
    return folder


def add(folder: Path, number: int, text: str | None = None) -> None:
    name = f"sample_{number:03d}"
    shutil.copy(SAMPLE / "wavs" / f"{name}.flac", folder)
    (folder / f"{name}.txt").write_text(text or TEXTS[name], encoding="utf-8")


def cut(folder: Path, work: Path, cache: ResultCache) -> dict[str, bytes]:
    """Run ingest and segment into an empty folder, and return every file that they wrote."""
    shutil.rmtree(work, ignore_errors=True)
    for part in ("manifest", "clips"):
        (work / part).mkdir(parents=True)
    ingest(folder, work / "manifest", PARAMS.ingest, TODAY, cache)
    segment(folder, work / "manifest", work / "clips", PARAMS.segment, cache)
    return files_in(work)


def cut_and_align(folder: Path, work: Path, cache: ResultCache) -> dict[str, bytes]:
    """Run ingest, segment and align into an empty folder, and return every file that they wrote."""
    cut(folder, work, cache)
    (work / "aligned").mkdir()
    one_job = PARAMS.align.model_copy(update={"n_jobs": 1})
    align(work / "clips", work / "manifest", work / "aligned", one_job, "pocketsphinx", cache=cache)
    return files_in(work)


def files_in(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}


def voice_of(root: Path, numbers: Sequence[int]) -> Path:
    folder = new_voice(root / "anna")
    for number in numbers:
        add(folder, number)
    return folder


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(NUMBERS), first=st.integers(1, len(NUMBERS) - 1))
def test_recordings_added_in_any_order_give_the_bytes_of_a_full_run(order, first, tmp_path_factory):
    root, grown = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("grown")
    folder, cache = voice_of(grown, order[:first]), ResultCache(grown / "results", 10**9)
    cut(folder, grown / "work", cache)
    for number in order[first:]:
        add(folder, number)
    assert cut(folder, grown / "work", cache) == cut(voice_of(root, NUMBERS), root / "work", NO_CACHE)


@pytest.mark.slow  # half a minute: pocketsphinx loads for every clip
def test_only_a_new_recording_and_a_corrected_text_are_computed(monkeypatch, tmp_path):
    *old, new = NUMBERS[:3]
    folder, cache = voice_of(tmp_path, old), ResultCache(tmp_path / "results", 10**9)
    add(folder, old[0], text="Not a word of this is said.")
    before = cut_and_align(folder, tmp_path / "work", cache)
    measured, heard, aligned = [], [], []
    count_calls(monkeypatch, measured_files, "measure_file", measured)
    count_calls(monkeypatch, transcribing.loaded_judge("pocketsphinx"), "listen", heard)
    count_calls(monkeypatch, clip_texts, "word_times", aligned)
    add(folder, old[0])
    add(folder, new)
    after = cut_and_align(folder, tmp_path / "work", cache)
    assert len(measured) == len(heard) == 1  # the new recording
    assert len(aligned) == 2  # also the corrected text
    whole = voice_of(tmp_path / "whole", [*old, new])
    assert after == cut_and_align(whole, tmp_path / "whole/work", NO_CACHE) != before


@pytest.mark.slow  # half a minute: pocketsphinx loads for every clip
def test_after_a_merge_only_the_merged_clip_is_heard_again(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder, cache = new_voice(tmp_path / "anna"), ResultCache(tmp_path / "results", 10**9)
    spoken = [soundfile.read(SAMPLE / "wavs" / f"sample_{number:03d}.flac", dtype="float32") for number in NUMBERS]
    rate = spoken[0][1]
    pause = np.zeros(round(1.5 * rate), np.float32)
    soundfile.write(folder / "all.flac", np.concatenate([part for one, _ in spoken for part in (one, pause)]), rate)
    before = cut_and_align(folder, tmp_path / "work", cache)
    clips = read_table(tmp_path / "work/clips/clips.jsonl", Clip)
    assert len(clips) == len(NUMBERS)
    merge = Correction(
        recording_sha256=file_sha256(folder / "all.flac"),
        start=clips[1].start,
        end=clips[2].end,
        action="merge",
        by="anna",
        when="2026-11-29T05:40:12Z",
    )
    append_corrections(folder, lambda _: [merge])
    heard, aligned = [], []
    count_calls(monkeypatch, transcribing.loaded_judge("pocketsphinx"), "listen", heard)
    count_calls(monkeypatch, clip_texts, "word_times", aligned)
    after = cut_and_align(folder, tmp_path / "work", cache)
    assert len(heard) == len(aligned) == 1
    assert after == cut_and_align(folder, tmp_path / "whole", NO_CACHE) != before
    texts = [row.asr_text for row in read_table(tmp_path / "work/aligned/clips.jsonl", AlignedClip)]
    assert len(texts) == len(NUMBERS) - 1


def count_calls(monkeypatch, owner: object, name: str, calls: list) -> None:
    """Note each call of a function, and make it."""
    function = getattr(owner, name)

    def counted(*args, **keywords):
        calls.append(args)
        return function(*args, **keywords)

    monkeypatch.setattr(owner, name, counted)
