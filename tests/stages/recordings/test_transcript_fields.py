"""Named columns and keys: which of them name audio, and how the pieces of one recording become its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.recordings.transcripts.checks import LostTranscriptsError, require_transcripts_used
from stages.recordings.transcripts.reader import Transcript, read_transcripts

AUDIO = ("a.wav", "b.wav")
IDS = '{"id": 1, "text": "One."}, {"id": 2, "text": "Two."}'


def read(folder: Path, contents: dict[str, str], audio: tuple[str, ...] = AUDIO) -> list[Transcript]:
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode())
    return read_transcripts(folder, sorted([*contents, *audio]), "anna", "en")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("talk.json", f'{{"chunks": [{IDS}]}}'),
        ("1.json", f"[{IDS}]"),
        ("talk.jsonl", IDS.replace("}, ", "}\n")),
        ("talk.csv", "id,start,text\n1,0:00:00,One.\n2,0:00:01.5,Two.\n"),
    ],
)
def test_numbers_of_segments_are_no_names_where_the_file_has_its_own_recording(
    tmp_path: Path, file: str, content: str
) -> None:
    (row,) = read(tmp_path, {file: content}, ("talk.wav", "1.wav", "2.wav"))
    assert (row.audio, row.text, row.fault) == ((f"{Path(file).stem}.wav",), "One. Two.", "")


def test_ids_are_names_where_they_can_be_nothing_else(tmp_path: Path) -> None:
    rows = read(tmp_path, {"texts.json": f"[{IDS}]"}, ("1.wav", "2.wav"))
    assert [(row.audio, row.text) for row in rows] == [(("1.wav",), "One."), (("2.wav",), "Two.")]
    rows = read(tmp_path, {"a.json": '[{"id": "x", "text": "One."}, {"id": "y", "text": "Two."}]'}, ("x.wav", "y.wav"))
    assert [row.audio for row in rows if row.file == "a.json"] == [("x.wav",), ("y.wav",)]


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        (
            "s.csv",
            "file,start,speaker,text\na,0,anna,One.\na,5,bob,Two.\nb,0,bob,Three.\n",
            "its pieces are of the speakers 'anna' and 'bob'; cut the recording, or keep the pieces of one",
        ),
        (
            "s.csv",
            "file,start,lang,text\na,0,EN,One.\na,5,JP,Two.\n",
            "its pieces are of the languages 'EN' and 'JP'; cut the recording, or keep the pieces of one",
        ),
        (
            "a.json",
            '{"text": "One. Two.", "segments": [{"text": "One.", "speaker": "S0"}, {"text": "Two.", "speaker": "S1"}]}',
            "its pieces are of the speakers 'S0' and 'S1'; cut the recording, or keep the pieces of one",
        ),
        (
            "d.jsonl",
            '{"file": "a.wav", "text": "One.", "Text": "Two."}',
            "the key 'text' is there twice; keep the right",
        ),
        ("d.jsonl", '{"file": "a.wav", "text": ["One."]}', "has a list where its text should be; write one text"),
        ("d.json", '{"a.wav": ["One.", "Two."]}', "has a list where its text should be; write one text"),
        ("s.csv", "file,start,text\na,soon,Two.\na,1,One.\n", "begins at 'soon', which is not a time that can be read"),
        (
            "s.csv",
            "file;start;text\na;1,500;Two.\na;1,2;One.\n",
            "begins at '1,500', which is not a time that can be r",
        ),
    ],
)
def test_pieces_that_do_not_make_one_text_are_refused(tmp_path: Path, file: str, content: str, fault: str) -> None:
    row = read(tmp_path, {file: content})[0]
    assert (row.audio, row.text) == (("a.wav",), "")
    assert fault in row.fault


def test_a_recording_of_two_speakers_does_not_make_the_other_one_the_voice(tmp_path: Path) -> None:
    rows = read(tmp_path, {"s.csv": "file,start,speaker,text\na,0,anna,One.\na,5,bob,Two.\nb,0,bob,Three.\n"})
    assert [row.text for row in rows] == ["", ""]
    assert "speaker 'bob' is one of 2 and not this voice" in rows[1].fault


@pytest.mark.parametrize(
    ("first", "second"), [("00:00:01.500", "00:00:05.000"), ("0:09", "0:10"), ("9,5", "10,25"), ("9s", "10.5 s")]
)
def test_pieces_come_in_the_order_of_their_times_in_any_form(tmp_path: Path, first: str, second: str) -> None:
    (row,) = read(tmp_path, {"s.csv": f"file;start;text\na;{second};Two.\na;{first};One.\n"})
    assert (row.text, row.fault) == ("One. Two.", "")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("d.jsonl", '{"audio": "a.wav", "segments": [{"start": 0, "text": "One."}, {"start": 1, "text": "Two."}]}'),
        ("d.json", '{"a.wav": [{"start": 1, "text": "Two."}, {"start": 0, "text": "One."}]}'),
        ("d.json", '{"a.wav": {"segments": [{"text": "One."}, {"text": "Two."}]}}'),
        ("a.json", '{"segments": [{"start": 0, "text": "One."}, {"start": 0, "text": "Two."}]}'),
    ],
)
def test_segments_in_json_are_joined(tmp_path: Path, file: str, content: str) -> None:
    (row,) = read(tmp_path, {file: content})
    assert (row.audio, row.text, row.fault) == (("a.wav",), "One. Two.", "")


def test_two_lists_of_texts_in_one_file_must_have_the_same_words(tmp_path: Path) -> None:
    words = '"utterances": [{"text": "One two."}], "words": [{"text": "one"}, {"text": "two"}]'
    (row,) = read(tmp_path, {"a.json": f"{{{words}}}"})
    assert row.text == "One two."
    (row,) = read(tmp_path, {"a.json": '{"part1": [{"text": "One."}], "part2": [{"text": "Two."}]}'})
    assert row.fault == "holds several lists of texts with different words; keep the right one"


def test_a_table_of_durations_is_not_a_lost_transcript(tmp_path: Path) -> None:
    durations = "clip\tduration[ms]\na.wav\t3528\nb.wav\t2528\n"
    audio = (*AUDIO, "c.wav")
    rows = read(
        tmp_path,
        {"clip_durations.tsv": durations, "validated.tsv": "path\tsentence\na.wav\tHello\nb.wav\tyou\n"},
        audio,
    )
    assert [(row.audio, row.text) for row in rows] == [((), ""), (("a.wav",), "Hello"), (("b.wav",), "you")]
    assert rows[0].fault == "holds duration[ms] of the recordings, not texts"
    require_transcripts_used(rows, audio, 0.0)


def test_numbers_are_texts_only_where_the_table_says_so(tmp_path: Path) -> None:
    rows = read(tmp_path, {"m.csv": "a.wav,3.528\nb.wav,2.5\n"})
    with pytest.raises(
        LostTranscriptsError, match=r"m\.csv: has only numbers beside the names, which may be durations"
    ):
        require_transcripts_used(rows, AUDIO, 0.0)
    assert [row.text for row in read(tmp_path, {"m.csv": "file,text\na.wav,3\nb.wav,2\n"})] == ["3", "2"]
    assert [row.text for row in read(tmp_path, {"m.csv": "a.wav,Three\nb.wav,2\n"})] == ["Three", "2"]


@pytest.mark.parametrize("header", ["file,text,Text", "file,text,text", "File,file,text"])
def test_a_column_that_is_there_twice_stops_the_run(tmp_path: Path, header: str) -> None:
    rows = read(tmp_path, {"m.csv": f"{header}\na.wav,One,Two\n"})
    with pytest.raises(LostTranscriptsError, match=r"m\.csv: has the column '\w+' twice; keep the right one"):
        require_transcripts_used(rows, AUDIO, 0.0)


def test_a_header_is_one_although_a_recording_is_called_like_a_column(tmp_path: Path) -> None:
    rows = read(tmp_path, {"m.csv": "audio,text\na.wav,One\naudio.wav,Two\n"}, ("a.wav", "audio.wav"))
    assert [(row.audio, row.text) for row in rows] == [(("a.wav",), "One"), (("audio.wav",), "Two")]
    (row, other) = read(tmp_path, {"m.csv": "audio,Well said\na,One\n"}, ("a.wav", "audio.wav"))
    assert (row.audio, row.text, other.audio) == (("audio.wav",), "Well said", ("a.wav",))


@pytest.mark.parametrize(
    "content", ["sep=;\r\nfile;text\r\na.wav;One, two\r\n", '"sep=;"\na.wav;One, two\n', "sep=|\na.wav|One, two\n"]
)
def test_the_line_of_excel_that_names_the_separator_is_not_a_row(tmp_path: Path, content: str) -> None:
    (row,) = read(tmp_path, {"m.csv": content})
    assert (row.audio, row.text, row.fault) == (("a.wav",), "One, two", "")
    assert row.source == ("m.csv:3" if "file" in content else "m.csv:2")
