"""Ingest tells recordings that hold the same sound, and says what it found in the sound."""

from __future__ import annotations

import io
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.made_up_sound import DISGUISES, NOISES, converted, in_room, with_music, with_noise
from benchmarks.nonspeech import SAMPLE_RATE
from gpt_sovits.audio import load_audio, to_mono
from stages.ingest import ingest
from stages.params import load_params
from stages.sections.data import Ingest
from stages.tables import Recording, Reject, read_table

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data/1_recordings/sample"
PARAMS = load_params(ROOT / "params.yaml").ingest


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A voice with two recordings and their transcripts."""
    folder = tmp_path / "sample"
    folder.mkdir()
    for name in ("voice.yaml", "consent.md"):
        shutil.copyfile(SAMPLE / name, folder / name)
    for number in (1, 2):
        shutil.copyfile(SAMPLE / f"wavs/sample_{number:03d}.flac", folder / f"{number}.flac")
        (folder / f"{number}.txt").write_text(f"Sentence {number}.")
    return folder


def speech(number: int = 1) -> tuple[np.ndarray, int]:
    samples, rate = load_audio(SAMPLE / f"wavs/sample_{number:03d}.flac")
    return to_mono(samples), rate


def long_speech() -> np.ndarray:
    return np.concatenate([speech(number)[0] for number in range(3, 8)])


def run(folder: Path, **changes: object) -> tuple[dict[str, Recording], dict[str, str]]:
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    params = Ingest.model_validate(PARAMS.model_dump() | changes)
    ingest(folder, out, params, date(2026, 6, 1))
    recordings = read_table(out / "recordings.jsonl", Recording)
    return {row.path: row for row in recordings}, {
        row.path: row.reason for row in read_table(out / "rejects.jsonl", Reject)
    }


# duplicates


def test_six_disguises_of_a_recording_are_rejected_and_named(voice: Path, capsys: pytest.CaptureFixture) -> None:
    random = np.random.default_rng(0)
    for name, disguise in DISGUISES.items():
        soundfile.write(voice / f"{name}.wav", *disguise(*speech(), random))
    recordings, reasons = run(voice)
    assert sorted(recordings) == ["1.flac", "2.flac"]
    assert reasons == {f"{name}.wav": "the same sound as 1.flac" for name in DISGUISES}
    assert "6 recordings left out as duplicates: " in capsys.readouterr().out


def test_duplicates_are_marked_where_they_are_only_reported(voice: Path, capsys: pytest.CaptureFixture) -> None:
    soundfile.write(voice / "copy.mp3", *speech())
    recordings, reasons = run(voice, duplicates="report")
    assert {path: row.duplicate_of for path, row in recordings.items()} == {
        "1.flac": None,
        "2.flac": None,
        "copy.mp3": "1.flac",
    }
    assert reasons == {}
    assert "1 recording kept with the same sound as another: copy.mp3 as 1.flac" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "kept"), [("sentence 1", False), ("Something else.", True)])
def test_a_copy_with_another_transcript_is_left_to_align(voice: Path, text: str, kept: bool) -> None:
    soundfile.write(voice / "copy.mp3", *speech())
    (voice / "copy.txt").write_text(text)
    recordings, _ = run(voice)
    assert ("copy.mp3" in recordings) == kept
    assert "1.flac" in recordings


def test_the_copy_with_a_transcript_is_kept(voice: Path) -> None:
    (voice / "1.txt").unlink()
    soundfile.write(voice / "copy.mp3", *speech())
    (voice / "copy.txt").write_text("Sentence 1.")
    recordings, reasons = run(voice)
    assert sorted(recordings) == ["2.flac", "copy.mp3"]
    assert reasons == {"1.flac": "the same sound as copy.mp3"}


def test_a_recording_that_holds_another_is_kept(voice: Path) -> None:
    waves = [speech(number)[0] for number in (3, 1, 4)]
    soundfile.write(voice / "long.wav", np.concatenate(waves), SAMPLE_RATE)
    recordings, reasons = run(voice)
    assert sorted(recordings) == ["1.flac", "2.flac", "long.wav"]
    assert reasons == {}


# limits


def test_telephone_speech_at_a_high_rate_is_refused_by_default(voice: Path) -> None:
    soundfile.write(voice / "phone.wav", converted(*speech(3), 8000, 44_100), 44_100)
    recordings, reasons = run(voice)
    assert reasons == {
        "phone.wav": "no sound above 3920 Hz, though it has 44100 Hz; below ingest.min_bandwidth_hz = 5000"
    }
    recordings, reasons = run(voice, min_bandwidth_hz=None)
    assert recordings["phone.wav"].bandwidth_hz == 3920


LIMITS = {
    "min_snr_db": (15.0, "noisy: speech is "),
    "max_reverberation_seconds": (0.6, "reverberant: T60 is about "),
    "max_music_share": (0.3, "music or strong hum: share "),
    "max_clipping_samples": (10, "clipped: "),
    "min_loudness_lufs": (-40.0, "quiet: -"),
}


@pytest.mark.parametrize("key", LIMITS)
def test_a_limit_refuses_and_null_only_reports(voice: Path, key: str, capsys: pytest.CaptureFixture) -> None:
    limit, reason = LIMITS[key]
    random = np.random.default_rng(1)
    bad = {
        "min_snr_db": lambda wave: with_noise(wave, NOISES["pink noise"], 5, random),
        "max_reverberation_seconds": lambda wave: in_room(wave, 1.0, 0.0, random),
        "max_music_share": lambda wave: with_music(wave, 10, random),
        "max_clipping_samples": lambda wave: 0.3 * np.clip(20 * wave / np.abs(wave).max(), -1, 1),
        "min_loudness_lufs": lambda wave: 0.05 * wave,
    }
    soundfile.write(voice / "bad.wav", bad[key](long_speech()), SAMPLE_RATE)
    recordings, reasons = run(voice)
    assert reasons == {}
    assert ("most of all bad.wav" in capsys.readouterr().out) == (key != "min_loudness_lufs")
    recordings, reasons = run(voice, **{key: limit})
    assert sorted(recordings) == ["1.flac", "2.flac"]
    assert reasons["bad.wav"].startswith(reason)
    assert reasons["bad.wav"].endswith(f"ingest.{key} = {limit:g}")


def test_the_sample_voice_is_whole_and_nothing_is_found_wrong(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "sample"
    shutil.copytree(SAMPLE, folder)
    recordings, reasons = run(folder)
    assert len(recordings) == 92
    assert reasons == {}
    printed = capsys.readouterr().out
    assert "most of all" not in printed
    assert "same sound" not in printed


def test_ljspeech_is_whole_and_its_figures_are_plausible(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lj"
    shutil.copytree(shared / "data/ljspeech", folder)
    for name in ("voice.yaml", "consent.md"):
        text = (SAMPLE / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("name: sample", "name: lj"), encoding="utf-8")
    recordings, _ = run(folder)
    assert len(recordings) == 24
    assert all(20 < row.snr_db < 50 and row.bandwidth_hz > 10_000 for row in recordings.values())
    assert all(-23 < row.loudness_lufs < -18 and row.duplicate_of is None for row in recordings.values())


def test_a_stereo_file_is_measured_on_the_channel_that_is_cut(voice: Path) -> None:
    wave, rate = speech(3)
    buffer = io.BytesIO()
    noise = 0.02 * np.random.default_rng(2).normal(size=len(wave))
    soundfile.write(buffer, np.stack([noise, wave], axis=1), rate, format="WAV")
    (voice / "stereo.wav").write_bytes(buffer.getvalue())
    soundfile.write(voice / "mono.wav", wave, rate)
    recordings, reasons = run(voice, duplicates="report")
    stereo, mono = recordings["stereo.wav"], recordings["mono.wav"]
    assert stereo.channel == 2
    assert (stereo.loudness_lufs, stereo.snr_db) == (mono.loudness_lufs, mono.snr_db)
    assert {stereo.duplicate_of, mono.duplicate_of} == {None, "mono.wav"}
    assert reasons == {}


def test_two_talkers_on_two_channels_are_named_or_excluded(voice: Path, capsys: pytest.CaptureFixture) -> None:
    wave, rate = speech(3)
    turns = np.arange(len(wave)) < len(wave) // 2
    soundfile.write(voice / "interview.wav", np.stack([wave * turns, 0.5 * wave[::-1] * ~turns], axis=1), rate)
    recordings, reasons = run(voice)
    assert (recordings["interview.wav"].channels, recordings["interview.wav"].channel, reasons) == (
        "several talkers",
        1,
        {},
    )
    assert "1 recording with several talkers on several channels: interview.wav" in capsys.readouterr().out
    recordings, reasons = run(voice, several_talkers="exclude")
    assert sorted(recordings) == ["1.flac", "2.flac"]
    assert reasons == {"interview.wav": "other people speak on other channels, and ingest.several_talkers = exclude"}
