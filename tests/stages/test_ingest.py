"""Ingest on recordings made in code: every bad input is handled, or becomes one row with a reason."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML

from registry.consent.record import ConsentError
from stages.ingest import ingest
from stages.sections.data import Ingest
from stages.tables import Recording, Reject, read_table

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 6, 1)
PARAMS = Ingest(
    min_seconds=0.5,
    max_seconds=60.0,
    min_sample_rate=16000,
    min_level_dbfs=-60.0,
    max_clipped_share=0.01,
    max_chars_per_second=40.0,
    max_lost_transcripts_share=0.0,
)


def tone(seconds: float = 1.0, sample_rate: int = 16000, amplitude: float = 0.3, pitch: float = 220.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * pitch * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(
        np.float32
    )


def encoded(samples: np.ndarray, sample_rate: int = 16000, **options: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, **options)
    return buffer.getvalue()


def write_m4a(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = sample_rate
        container.mux([packet for part in (frame, None) for packet in stream.encode(part)])


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A voice's folder with a valid consent and one good recording."""
    folder = tmp_path / "anna"
    folder.mkdir()
    write_consent(folder)
    soundfile.write(folder / "good.wav", tone(pitch=440), 16000)
    (folder / "good.txt").write_text("This one is good.")
    return folder


def write_consent(folder: Path, **changes: object) -> None:
    consent = {
        "speaker": "a tone generator",
        "kind": "synthetic",
        "purposes": ["testing"],
        "scope": {"languages": None, "territories": None, "commercial": False},
        "granted_on": date(2026, 1, 1),
        "valid_until": None,
        "evidence": None,
        "evidence_sha256": None,
        "revoked_on": None,
    }
    with (folder / "voice.yaml").open("w") as file:
        YAML().dump({"name": folder.name, "language": "en", "consent": consent | changes}, file)


def run(folder: Path) -> tuple[dict[str, Recording], dict[str, str]]:
    """Recordings and reasons by path."""
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    ingest(folder, out, PARAMS, TODAY)
    recordings = read_table(out / "recordings.jsonl", Recording)
    rejects = read_table(out / "rejects.jsonl", Reject)
    assert [row.path for row in recordings] == sorted(row.path for row in recordings)
    assert [row.path for row in rejects] == sorted(row.path for row in rejects)
    reasons = {row.path: row.reason for row in rejects}
    assert len(reasons) == len(rejects), "one row for each thing that is rejected"
    return {row.path: row for row in recordings}, reasons


# handled


def test_a_recording_is_measured_and_keeps_its_transcript(voice: Path) -> None:
    recordings, reasons = run(voice)
    row = recordings["good.wav"]
    sha256 = hashlib.sha256((voice / "good.wav").read_bytes()).hexdigest()
    assert (row.recording_id, row.sha256) == (sha256[:12], sha256)
    assert (row.seconds, row.sample_rate, row.n_channels) == (1.0, 16000, 1)
    assert row.level_dbfs == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.02)
    assert (row.clipped_share, row.transcript, row.language) == (0.0, "This one is good.", "en")
    assert reasons == {}


FORMATS: dict[str, Callable[[Path], object]] = {
    "mono.wav": lambda path: soundfile.write(path, tone(), 16000),
    "mono.flac": lambda path: soundfile.write(path, tone(), 16000),
    "mono.ogg": lambda path: soundfile.write(path, tone(), 16000),
    "mono.mp3": lambda path: soundfile.write(path, tone(), 16000),
    "mono.m4a": lambda path: write_m4a(path, tone(), 16000),
    "LOUD.WAV": lambda path: soundfile.write(path, tone(), 16000, format="WAV"),
    "stereo.wav": lambda path: soundfile.write(path, np.stack([tone(), 0 * tone()], axis=1), 16000),
    "96 kHz.flac": lambda path: soundfile.write(path, tone(sample_rate=96000), 96000, subtype="PCM_24"),
    "8 bit.wav": lambda path: soundfile.write(path, tone(), 16000, subtype="PCM_U8"),
    "float.wav": lambda path: soundfile.write(path, tone(), 16000, subtype="FLOAT"),
    "sub dir/Ünïcødé 名前 'x'.wav": lambda path: soundfile.write(path, tone(), 16000),
    "headless length.wav": lambda path: path.write_bytes(streamed(encoded(tone(), format="WAV"))),
}


def streamed(wav: bytes) -> bytes:
    """A wav from a writer that could not seek back, so the lengths in its header are the largest number."""
    assert wav[36:40] == b"data"
    return wav[:4] + b"\xff" * 4 + wav[8:40] + b"\xff" * 4 + wav[44:]


@pytest.mark.parametrize("name", FORMATS)
def test_formats_that_are_read(voice: Path, name: str) -> None:
    (voice / name).parent.mkdir(exist_ok=True)
    FORMATS[name](voice / name)
    recordings, reasons = run(voice)
    assert reasons == {}
    assert recordings[name].seconds == pytest.approx(1.0, abs=0.15)  # mp3 and aac pad
    assert recordings[name].n_channels == (2 if name == "stereo.wav" else 1)
    assert recordings[name].sample_rate == (96000 if name == "96 kHz.flac" else 16000)
    assert recordings[name].transcript is None


def test_transcripts_of_all_three_kinds_in_one_folder(voice: Path) -> None:
    (voice / "wavs").mkdir()
    for index, name in enumerate(["wavs/lj 1.wav", "wavs/ü.wav", "row.wav"]):
        soundfile.write(voice / name, tone(pitch=100 + 50 * index), 16000)
    (voice / "metadata.csv").write_text("lj 1|Mr. One|Mister One\n")
    (voice / "wavs" / "ü.txt").write_text("Two")
    (voice / "x.list").write_text("row.wav|anna|EN|Three\n")
    recordings, reasons = run(voice)
    assert reasons == {}
    assert {path: row.transcript for path, row in recordings.items()} == {
        "good.wav": "This one is good.",
        "row.wav": "Three",
        "wavs/lj 1.wav": "Mister One",
        "wavs/ü.wav": "Two",
    }


def test_hidden_files_and_the_evidence_of_consent_are_not_recordings(voice: Path) -> None:
    (voice / "consent.txt").write_text("I agree.")
    write_consent(voice, evidence="consent.txt", evidence_sha256=hashlib.sha256(b"I agree.").hexdigest())
    (voice / ".DS_Store").write_bytes(b"\0")
    (voice / "._good.wav").write_bytes(b"\0")
    assert run(voice)[1] == {}


def test_the_same_folder_gives_the_same_bytes(voice: Path) -> None:
    (voice / "bad.wav").write_text("no audio")
    run(voice)
    out = voice.parent / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run(voice)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# rejected, each with one row


def noise(seconds: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)


UNKNOWN = "its content is not that of an audio format that is known; convert it to FLAC"
BAD_AUDIO: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated.flac": (
        lambda path: path.write_bytes(encoded(noise(), format="FLAC")[:20000]),
        "cut short|cannot be decoded",
    ),
    "header only.flac": (lambda path: path.write_bytes(encoded(noise(), format="FLAC")[:60]), "cut short|cannot be"),
    "truncated.wav": (lambda path: path.write_bytes(encoded(noise(), format="WAV")[:20000]), "is cut short"),
    "truncated.mp3": (lambda path: path.write_bytes(encoded(noise(6.0), format="MP3")[:12000]), "is cut short"),
    "truncated.ogg": (
        lambda path: path.write_bytes(encoded(noise(6.0), format="OGG")[:-2000]),
        "is cut short: its last page",
    ),
    "no header.ogg": (
        lambda path: path.write_bytes(encoded(noise(), format="OGG")[:3000]),
        "is cut short: its last page",
    ),
    "concatenation.m4a": (lambda path: path.write_text("ffconcat version 1.0\nfile good.wav\n"), UNKNOWN),
    "playlist.m4a": (lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n"), UNKNOWN),
    "truncated.m4a": (
        lambda path: (write_m4a(path, noise(), 16000), path.write_bytes(path.read_bytes()[:2000])),
        r"is cut short: \d+ bytes are missing",
    ),
    "text.wav": (lambda path: path.write_text("this is not audio"), UNKNOWN),
    "text.mp3": (lambda path: path.write_text("this is not audio"), UNKNOWN),
    "text.m4a": (lambda path: path.write_text("this is not audio"), UNKNOWN),
    "empty.wav": (lambda path: path.write_bytes(b""), "^is empty$"),
    "no samples.wav": (lambda path: soundfile.write(path, tone(0), 16000), "holds no samples"),
    "8 kHz.wav": (lambda path: soundfile.write(path, tone(sample_rate=8000), 8000), "8000 Hz is below"),
    "nan.wav": (
        lambda path: soundfile.write(path, np.where(np.arange(16000) == 99, np.nan, tone()), 16000, subtype="FLOAT"),
        "holds NaN or infinite samples",
    ),
    "infinite.wav": (
        lambda path: soundfile.write(path, np.where(np.arange(16000) == 99, np.inf, tone()), 16000, subtype="FLOAT"),
        "holds NaN or infinite samples",
    ),
    "silence.wav": (lambda path: soundfile.write(path, 0 * tone(), 16000), "silence: level -120.0 dBFS is below"),
    "constant.wav": (lambda path: soundfile.write(path, 0 * tone() + 0.5, 16000), "silence: level -120.0"),
    "clipped.wav": (lambda path: soundfile.write(path, np.clip(9 * tone(), -1, 1), 16000), "clipped: share 0.7"),
    "8 bit clipped.wav": (
        lambda path: soundfile.write(path, np.clip(9 * tone(), -1, 1), 16000, subtype="PCM_U8"),
        "clipped: share 0.7",
    ),
    "huge.wav": (
        lambda path: soundfile.write(path, np.where(np.arange(16000) == 99, 1e30, tone()), 16000, subtype="FLOAT"),
        r"is damaged: a sample of 1e\+30 at 0.0 s exceeds the range of every format",
    ),
    "short.wav": (lambda path: soundfile.write(path, tone(0.4), 16000), "0.40 s is shorter than ingest.min_seconds"),
    "long.wav": (lambda path: soundfile.write(path, tone(61), 16000), "61 s is longer than ingest.max_seconds = 60"),
    "song.mid": (
        lambda path: path.write_bytes(b"\0"),
        r"neither audio nor a transcript",
    ),
    "pipe.wav": (os.mkfifo, "not a regular file"),
    "inside.wav": (lambda path: path.symlink_to("good.wav"), "a symbolic link"),
    "outside.wav": (lambda path: path.symlink_to("/etc/hostname"), "a symbolic link"),
    "folder": (lambda path: path.symlink_to("/etc", target_is_directory=True), "a symbolic link"),
    "copy.wav": (lambda path: path.write_bytes((path.parent / "good.wav").read_bytes()), "the same bytes as good.wav"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BAD_AUDIO)
def test_bad_audio_is_one_reject_and_the_rest_goes_on(voice: Path, name: str) -> None:
    make, reason = BAD_AUDIO[name]
    make(voice / name)
    recordings, reasons = run(voice)
    assert list(recordings) == ["good.wav"]
    assert list(reasons) == [name]
    assert re.search(reason, reasons[name])


def test_a_transcript_that_is_too_long_takes_its_recording_with_it(voice: Path) -> None:
    soundfile.write(voice / "x.wav", tone(), 16000)
    (voice / "x.txt").write_text("word " * 2000 + "\n")
    recordings, reasons = run(voice)
    assert list(recordings) == ["good.wav"]
    assert list(reasons) == ["x.wav"]
    assert reasons["x.wav"].startswith("x.txt: 9999 characters exceed ingest.max_chars_per_second = 40 in ")


def test_a_transcript_without_audio_is_a_reject_where_every_recording_has_one(voice: Path) -> None:
    (voice / "metadata.csv").write_text("gone|Nobody says this.\n")
    recordings, reasons = run(voice)
    assert list(recordings) == ["good.wav"]
    assert list(reasons) == ["metadata.csv:1"]
    assert reasons["metadata.csv:1"].startswith("transcript without audio")


def test_a_list_row_that_points_outside_is_a_reject(voice: Path) -> None:
    soundfile.write(voice.parent / "other.wav", tone(), 16000)
    (voice / "v.list").write_text("../other.wav|anna|EN|Not mine.\n")
    recordings, reasons = run(voice)
    assert list(recordings) == ["good.wav"]
    assert "points outside the voice's folder" in reasons["v.list:1"]


def test_an_unreadable_transcript_takes_its_recording_with_it(voice: Path) -> None:
    soundfile.write(voice / "x.wav", tone(), 16000)
    (voice / "x.txt").write_bytes(b"caf\x8e")
    recordings, reasons = run(voice)
    assert list(recordings) == ["good.wav"]
    assert reasons["x.wav"].startswith("x.txt: may be Windows-1252 or Mac Roman")


def test_a_recording_with_two_different_transcripts_is_rejected(voice: Path) -> None:
    (voice / "metadata.csv").write_text("good|This one is bad.\n")
    soundfile.write(voice / "other.wav", tone(), 16000)
    recordings, reasons = run(voice)
    assert list(recordings) == ["other.wav"]
    assert reasons["good.wav"] == "transcripts that differ: good.txt and metadata.csv:1; keep the right one"


def test_two_equal_transcripts_count_as_one(voice: Path) -> None:
    (voice / "metadata.csv").write_text("good|This one  is good.\n")
    assert run(voice)[1] == {}


def test_of_equal_files_the_one_with_the_transcript_is_kept(voice: Path) -> None:
    (voice / "a copy.wav").write_bytes((voice / "good.wav").read_bytes())
    recordings, reasons = run(voice)
    assert recordings["good.wav"].transcript == "This one is good."
    assert reasons == {"a copy.wav": "the same bytes as good.wav"}


def test_equal_files_with_different_transcripts_are_all_rejected(voice: Path) -> None:
    (voice / "copy.wav").write_bytes((voice / "good.wav").read_bytes())
    (voice / "copy.txt").write_text("Another text.")
    soundfile.write(voice / "other.wav", tone(), 16000)
    recordings, reasons = run(voice)
    assert list(recordings) == ["other.wav"]
    assert set(reasons) == {"copy.wav", "good.wav"}
    assert "the same bytes with different transcripts: copy.wav, good.wav" in reasons["good.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8 exist on Linux only")
def test_a_name_that_is_not_utf8_is_a_reject(voice: Path) -> None:
    (voice / "good.wav").with_name(os.fsdecode(b"caf\xe9.wav")).write_bytes(b"")
    assert run(voice)[1] == {"caf\\udce9.wav": "its name is not UTF-8; rename it"}


# nothing left


def no_consent(folder: Path) -> None:
    (folder / "voice.yaml").unlink()


def only_bad_audio(folder: Path) -> None:
    (folder / "good.wav").write_text("no audio")


def no_audio(folder: Path) -> None:
    (folder / "good.wav").unlink()
    (folder / "good.txt").unlink()


def transcripts_only(folder: Path) -> None:
    (folder / "good.wav").unlink()


NOTHING_LEFT = {
    "no consent record": (no_consent, ConsentError, r"voice\.yaml is missing"),
    "expired": (
        lambda folder: write_consent(folder, valid_until=date(2026, 5, 31)),
        ConsentError,
        "ended on 2026-05-31",
    ),
    "revoked": (lambda folder: write_consent(folder, revoked_on=date(2026, 5, 31)), ConsentError, "revoked"),
    "no audio": (
        no_audio,
        ValueError,
        r"anna holds no audio file \(.3gp, .aac, .*\)",
    ),
    "only bad audio": (only_bad_audio, ValueError, "no usable recording; 1 rejected, the first: good.wav: its content"),
    "only transcripts": (transcripts_only, ValueError, "it holds other files, such as 'good.txt'"),
}


@pytest.mark.parametrize("case", NOTHING_LEFT)
def test_no_usable_recording_is_an_error_of_one_sentence(voice: Path, case: str) -> None:
    spoil, error, message = NOTHING_LEFT[case]
    spoil(voice)
    with pytest.raises(error, match=message):
        run(voice)


def test_the_program_prints_one_line_and_leaves_no_output_where_it_fails(voice: Path, tmp_path: Path) -> None:
    no_audio(voice)
    out = tmp_path / "data" / "1_manifests" / "anna"
    command = [sys.executable, "-m", "stages.ingest", "--recordings", str(voice), "--out", str(out)]
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    result = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not out.exists()


def test_the_program_writes_both_tables(voice: Path, tmp_path: Path) -> None:
    out = tmp_path / "data" / "1_manifests" / "anna"
    command = [sys.executable, "-m", "stages.ingest", "--recordings", str(voice), "--out", str(out)]
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    assert sorted(path.name for path in out.iterdir()) == ["recordings.jsonl", "rejects.jsonl"]
    assert json.loads((out / "recordings.jsonl").read_text())["path"] == "good.wav"
