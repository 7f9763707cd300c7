"""The recordings of the next sample voice: their names, silences and level, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from starter import sample_voice


def buzz(seconds: float) -> np.ndarray:
    return np.concatenate([np.zeros(12000), np.full(round(seconds * 24000), 10000), np.zeros(12000)]).astype(np.int16)


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sample_voice, "PACKAGES", ("numpy", "no_such_package"))
    assert sample_voice.main(["--folder", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "no_such_package" in message and "numpy" not in message
    assert "-r starter/requirements.txt" in message
    assert not list(tmp_path.iterdir())


def test_recordings_and_their_table_have_the_names_of_the_lines(monkeypatch, tmp_path):
    monkeypatch.setattr(sample_voice, "style_of", lambda speaker: speaker.name)
    monkeypatch.setattr(sample_voice, "speak", lambda text, style, speed: (buzz(len(text) / 10), []))
    seconds, n_bytes = sample_voice.record(tmp_path, [("At 9.", "At nine."), ("Come in.", "Come in.")])
    table = (tmp_path / "metadata.csv").read_text(encoding="utf-8")
    assert table == "sample_001|At 9.|At nine.\nsample_002|Come in.|Come in.\n"
    files = sorted((tmp_path / "wavs").iterdir())
    assert [path.name for path in files] == ["sample_001.flac", "sample_002.flac"]
    assert n_bytes == sum(path.stat().st_size for path in files)
    found = soundfile.info(files[0])
    assert (found.samplerate, found.channels, found.subtype) == (24000, 1, "PCM_16")
    assert seconds == pytest.approx(1.6 + 2 * 0.4)


def test_silences_are_shortened_and_speech_is_scaled():
    waveform = sample_voice.trim_and_scale(buzz(1.0), 24000)
    assert len(waveform) == round(1.4 * 24000)
    assert waveform[: round(0.15 * 24000)].max() == 0
    assert waveform[round(0.15 * 24000)] == 6000


def test_speech_without_silences_stays_whole():
    assert len(sample_voice.trim_and_scale(np.full(2400, 10000, np.int16), 24000)) == 2400


def test_too_many_bytes_are_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sample_voice, "PACKAGES", ())
    monkeypatch.setattr(sample_voice, "record", lambda folder, sentences: (360.0, 9_000_000))
    assert sample_voice.main(["--folder", str(tmp_path)]) == 1
    assert "9000000 bytes" in capsys.readouterr().err


def test_lines_hold_what_is_written_and_what_is_spoken():
    pairs = sample_voice.read_sentences()
    assert len(pairs) >= 90
    assert any(written != spoken for written, spoken in pairs)
