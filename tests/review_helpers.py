"""A voice whose clips can be reviewed: two recordings of the sample voice's speech, with the tables of a run."""

from __future__ import annotations

import json
import os
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from http_helpers import request
from imports import ROOT
from project import copy_voice

from flows.review_page.server import ReviewServer
from flows.review_page.session import Session
from gpt_sovits.audio import resample
from registry.files import file_sha256
from stages.corrections.file import read_corrections
from stages.corrections.rows import Correction
from stages.ingest import ingest
from stages.params import load_params
from stages.tables import AlignedClip, Clip, Disagreement, write_table

VOICE = "anna"
RATE = 32_000
PAUSE_SECONDS = 0.5  # between two clips of a recording
TEXTS = [line.split("|")[2] for line in (ROOT / "data/1_recordings/sample/metadata.csv").read_text().splitlines()]


def speech(number: int) -> np.ndarray:
    """Return a sentence of the sample voice, (n_samples,) float32 at RATE."""
    samples, rate = soundfile.read(ROOT / f"data/1_recordings/sample/wavs/sample_{number:03d}.flac", dtype="float32")
    return resample(samples, rate, RATE)


def make_reviewable(root: Path) -> Path:
    """Make a project with the tables of a run. No judge runs: what they say is written here.

    The recording long.wav has three clips, of which the second has a wrong word and the third the text of another. The
    recording short.wav has one clip that is right.
    """
    shutil.rmtree(root, ignore_errors=True)
    for name in ("params.yaml", "dvc.yaml"):
        root.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    folder = root / "data/1_recordings" / VOICE
    copy_voice(folder, 0)
    (folder / "metadata.csv").unlink()
    for name in ("1_manifests", "2_clips", "3_aligned"):
        (root / "data" / name / VOICE).mkdir(parents=True)
    (root / "data/2_clips" / VOICE / "audio").mkdir()
    clips, aligned = [], []
    for name, numbers in (("long.wav", (1, 6, 8)), ("short.wav", (3,))):
        waveforms = [speech(number) for number in numbers]
        pause = np.zeros(round(PAUSE_SECONDS * RATE), np.float32)
        whole = np.concatenate([part for waveform in waveforms for part in (waveform, pause)])
        soundfile.write(folder / name, whole, RATE)
        (folder / name).with_suffix(".txt").write_text(" ".join(TEXTS[number - 1] for number in numbers))
        recording_id = file_sha256(folder / name)[:12]
        start = 0
        for index, (number, waveform) in enumerate(zip(numbers, waveforms, strict=True)):
            clip_id = f"{recording_id}-{index:04d}"
            soundfile.write(root / "data/2_clips" / VOICE / f"audio/{clip_id}.flac", waveform, RATE)
            clips.append(clip_row(clip_id, start, len(waveform)))
            aligned.append(aligned_row(clip_id, TEXTS[number - 1], len(waveform) / RATE))
            start += len(waveform) + len(pause)
    wrong = {"kept": False, "cer": 0.81, "reason": "character error rate above align.max_cer = 0.3: 0.81"}
    aligned[1] = aligned[1].model_copy(update={"cer": 0.05})
    aligned[2] = aligned[2].model_copy(update={"text": "<b>Nobody</b> said this & that.", **wrong})
    word, start, end = aligned[1].words[2]
    doubt = Disagreement(
        recording_id=clips[1].recording_id,
        clip_id=clips[1].clip_id,
        start=clips[1].start + start,
        end=clips[1].start + end,
        written=word.lower(),
        heard="other",
        doubt=9.5,
        outcome="kept",
    )
    data = root / "data"
    ingest(folder, data / "1_manifests" / VOICE, load_params(ROOT / "params.yaml").ingest, date(2026, 6, 1))
    write_table(data / "2_clips" / VOICE / "clips.jsonl", clips)
    write_table(data / "3_aligned" / VOICE / "clips.jsonl", aligned)
    write_table(data / "3_aligned" / VOICE / "disagreements.jsonl", [doubt])
    return root


def clip_row(clip_id: str, start: int, n_samples: int) -> Clip:
    first, end = start / RATE, (start + n_samples) / RATE
    return Clip(
        clip_id=clip_id, recording_id=clip_id[:12], path=f"audio/{clip_id}.flac", start=round(first, 6),
        end=round(end, 6), seconds=n_samples / RATE, gain_db=0,
    )  # fmt: skip


def aligned_row(clip_id: str, text: str, seconds: float) -> AlignedClip:
    """Return the row of a clip that is kept, with its words spread over it."""
    words = [word.strip(".,?!") for word in text.split()]
    step = seconds / len(words)
    times = tuple((word, round(i * step, 3), round((i + 0.9) * step, 3)) for i, word in enumerate(words))
    return AlignedClip(
        clip_id=clip_id, path=f"audio/{clip_id}.flac", seconds=seconds, text=text, text_source="given",
        asr_text=text.lower().strip("."), cer=0.0, words=times, kept=True, reason="", split="train", language="en",
    )  # fmt: skip


@contextmanager
def reviewing(root: Path, reviewer: str = "anna") -> Iterator[tuple[Session, str]]:
    """Serve the page of a project, which becomes the working folder. Yield the session and the page's address."""
    before = Path.cwd()
    os.chdir(root)
    session = Session(voice=VOICE, reviewer=reviewer, limits=load_params().segment)
    server = ReviewServer(session)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield session, server.address
    finally:
        request(server.address)  # a server that has not started yet cannot be stopped
        server.stop()
        thread.join()
        os.chdir(before)


def rows_of(root: Path) -> list[Correction]:
    return read_corrections(root / "data/1_recordings" / VOICE)


def decisions_of(root: Path) -> list[tuple]:
    """Return (action, start, text or at) of each row, with the start in tenths of a second."""
    return [(row.action, round(row.start, 1), row.text or (row.at and round(row.at, 1))) for row in rows_of(root)]


def details_of(url: str, clip: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of an open clip."""
    status, _, content = request(f"{url}clip?key={urllib.parse.quote(clip['key'])}")
    assert status == 200, content
    return json.loads(content)


def clips_of(address: str) -> list[dict]:
    status, _, content = request(f"{address}clips")
    assert status == 200, content
    return json.loads(content)["clips"]
