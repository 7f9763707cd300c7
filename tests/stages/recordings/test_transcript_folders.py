"""Texts and rows that name one folder's file never reach the recording of the same name in another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.recordings.transcripts.checks import LostTranscriptsError, require_transcripts_used
from stages.recordings.transcripts.reader import Transcript, read_transcripts


def read(folder: Path, contents: dict[str, str], audio: list[str]) -> list[Transcript]:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return read_transcripts(folder, sorted([*contents, *audio]), "anna", "en")


def texts(rows: list[Transcript]) -> dict[str, str]:
    return {file: row.text for row in rows for file in row.audio}


@pytest.mark.parametrize(
    ("contents", "audio"),
    [
        ({"day1/01.txt": "Good morning."}, ["day1/02.wav", "day2/01.wav"]),
        ({"day1/01.txt": "Good morning."}, ["day2/01.wav"]),
        ({"day1/01.txt": "Good morning."}, ["01.wav", "day1/02.wav"]),
        ({"01.txt": "Good morning."}, ["02.wav", "day2/01.wav"]),
        ({"anna/01.txt": "Good morning."}, ["bob/01.wav"]),
        ({"txt/p225/001.txt": "Good morning."}, ["wav/p226/001.wav"]),
        ({"txt/p225/001.txt": "Good morning."}, ["wav/p225/002.wav", "wav/001.wav"]),
        ({"set16/01.txt": "Good morning."}, ["set24/01.wav"]),
        ({"day1/01.srt": "1\n00:00:01,000 --> 00:00:02,000\nGood morning.\n"}, ["day2/01.wav"]),
        ({"metadata.csv": "day1/01.wav|One."}, ["day2/01.wav"]),
        ({"metadata.csv": "day1/01.wav|One."}, ["01.wav", "day1/02.wav"]),
        ({"metadata.csv": "wavs/01.wav|One."}, ["01.wav", "wavs/02.wav"]),
        ({"metadata.csv": "path|id|text\nday1/01.wav|01|One."}, ["day2/01.wav"]),
        ({"v.list": "/root/day1/01.wav|anna|EN|One."}, ["day1/02.wav", "day2/01.wav"]),
        ({"v.list": "D:\\out\\day1\\01.wav|anna|EN|One."}, ["day2/01.wav"]),
        ({"day1/metadata.csv": "01|One."}, ["day1/02.wav", "day2/01.wav"]),
        ({"day1/metadata.csv": "01|One."}, ["day1/02.wav", "01.wav"]),
        ({"day1/metadata.csv": "01|One."}, ["day2/01.wav"]),
        ({"day1/m.csv": "../day3/01.wav|One."}, ["day2/01.wav"]),
    ],
)
def test_a_text_of_another_folder_stops_the_run(tmp_path: Path, contents: dict[str, str], audio: list[str]) -> None:
    rows = read(tmp_path, contents, audio)
    assert texts(rows) == {}
    assert all("transcript without audio" in row.fault and "is in another folder" in row.fault for row in rows)
    with pytest.raises(LostTranscriptsError, match=r"would get the recogniser's text instead"):
        require_transcripts_used(rows, audio, 0.0)


@pytest.mark.parametrize(
    ("contents", "audio"),
    [
        ({"metadata.csv": "wavs/01.wav|One."}, "01.wav"),
        ({"metadata.csv": "wavs/01.wav|One."}, "take 2/01.wav"),
        ({"metadata.csv": "session 3/01.wav|One."}, "01.wav"),
        ({"metadata.csv": "session 3/wavs/01.wav|One."}, "audio_24k/session 3/01.wav"),
        ({"lists/metadata.csv": "01|One."}, "take 2/01.wav"),
        ({"lists/metadata.csv": "../take 2/01.wav|One."}, "take 2/01.wav"),
        ({"v.list": "/root/out/01.wav|anna|EN|One."}, "take 2/01.wav"),
        ({"v.list": "D:\\any\\01.wav|anna|EN|One."}, "take 2/01.wav"),
        ({"m.jsonl": '{"audio_filepath": "https://host/any/01.wav", "text": "One."}'}, "take 2/01.wav"),
        ({"txt/p225/01.txt": "One."}, "wav48_silence_trimmed/p225/01.wav"),
        ({"texts/01.txt": "One."}, "take 2/01.wav"),
        ({"anna_txt/01.txt": "One."}, "anna_wav/01.wav"),
        ({"anna/01.txt": "One."}, "anna/take 2/01.wav"),
        ({"01.txt": "One."}, "wavs/01.wav"),
    ],
)
def test_folders_that_the_voice_does_not_have_do_no_harm(tmp_path: Path, contents: dict[str, str], audio: str) -> None:
    assert texts(read(tmp_path, contents, [audio])) == {audio: "One."}


def test_a_text_that_was_left_over_takes_no_recording_that_has_its_own(tmp_path: Path) -> None:
    for place, contents in {
        "folders": {"day1/01.txt": "One.", "day2/01.txt": "Two."},
        "rows": {"m.csv": "day1/01.wav|One.\nday2/01.wav|Two.\n"},
        "foreign": {"m.csv": "/x/anna/01.wav|One.\n/x/day2/01.wav|Two.\n"},
        "flat": {"old/01.txt": "One.", "day2/01.txt": "Two."},
    }.items():
        rows = read(tmp_path / place, contents, ["day2/01.wav"])
        assert texts(rows) == {"day2/01.wav": "Two."}
        assert [bool(row.fault) for row in rows if not row.audio] == [True]
        require_transcripts_used(rows, ["day2/01.wav"], 0.0)
    rows = read(tmp_path / "above", {"old/01.txt": "One.", "01.txt": "Two."}, ["01.wav"])
    assert texts(rows) == {"01.wav": "Two."}


def test_texts_of_two_kinds_must_agree_although_one_lies_closer(tmp_path: Path) -> None:
    rows = read(tmp_path, {"texts/01.lab": "One.", "01.txt": "Two."}, ["01.wav"])
    assert [(row.audio, row.text) for row in rows] == [(("01.wav",), "Two."), (("01.wav",), "One.")]
