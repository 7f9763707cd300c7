"""Files that look right and would give a recording a text without its end, with too much, or of something else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stages.recordings.transcripts.reader import Transcript, read_transcripts

AUDIO = ("a.wav", "b.wav", "c.wav")
TEXTGRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n2\n'


def read(folder: Path, file: str, content: str, audio: tuple[str, ...] = AUDIO) -> list[Transcript]:
    (folder / file).write_bytes(content.encode())
    return read_transcripts(folder, sorted([file, *audio]), "anna", "en")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("m.csv", "a|Hello\nworld\nand all\nb|Two\nc|Three\n"),
        ("m.csv", "a,Hello\nworld\nb,Two\nc,Three\n"),
        ("m.tsv", 'file\ttext\na\t"Hello\nworld"\nb\tTwo\nc\tThree\n'),
        ("m.list", "a|anna|en|Hello\nworld\nb|anna|en|Two\nc|anna|en|Three\n"),
        ("m.csv", "a|Hello \rworld\nb|Two\nc|Three\n"),
    ],
)
def test_a_text_that_was_broken_over_lines_is_refused(tmp_path: Path, file: str, content: str) -> None:
    rows = read(tmp_path, file, content)
    assert [(row.audio, row.text) for row in rows] == [(("a.wav",), ""), (("b.wav",), "Two"), (("c.wav",), "Three")]
    assert "its text may go on in line" in rows[0].fault


def test_both_kinds_of_line_ends_may_be_in_one_table(tmp_path: Path) -> None:
    assert [row.text for row in read(tmp_path, "m.csv", "a|One\r\nb|Two\rc|Three\n")] == ["One", "Two", "Three"]


@pytest.mark.parametrize("content", ["a,Well, I know\nb,Well, yes\n", "a, I think, I know\nb, He came, she saw\n"])
def test_a_comma_in_a_text_begins_no_column(tmp_path: Path, content: str) -> None:
    assert [row.text for row in read(tmp_path, "m.csv", content)] == [""]


@pytest.mark.parametrize("value", ["NaN", "true", "null", "{}"])
def test_what_is_no_text_in_json_is_not_spoken(tmp_path: Path, value: str) -> None:
    (row,) = read(tmp_path, "m.jsonl", f'{{"file": "a.wav", "text": {value}}}\n')
    assert (row.text, row.fault) == ("", "the transcript is empty")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"file": "a.wav", "text": "One.", "text": "Two."}', "the key 'text' is there twice"),
        ('{"file": "a.wav", "n": ' + 5000 * "1" + "}", "is not JSON that can be read (Exceeds the limit"),
    ],
)
def test_a_line_of_json_that_cannot_be_read_is_named(tmp_path: Path, content: str, fault: str) -> None:
    (row,) = read(tmp_path, "m.jsonl", content)
    assert row.fault.startswith("line 1 ") and fault in row.fault


def test_a_piece_that_is_twice_in_a_table_is_said_once(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "s.csv", "file,start,text\na,0,One.\na,0,One.\na,5,Two.\n")
    assert row.text == "One. Two."
    (row,) = read(tmp_path, "s.csv", "file,start,text\na,0,One.\na,0,Uno.\na,5,Two.\n")
    assert row.fault == "two texts begin at 0 s; keep the right one"


def test_two_tiers_of_one_name_are_refused(tmp_path: Path) -> None:
    tiers = "".join(f'"IntervalTier"\n"words"\n0\n1\n1\n0\n1\n"{word}"\n' for word in ("Hello", "Bye"))
    (row,) = read(tmp_path, "a.TextGrid", TEXTGRID + tiers)
    assert row.fault.startswith("has the tiers 'words', 'words'; call the one with the text 'words'")
    (row,) = read(tmp_path, "a.TextGrid", TEXTGRID + tiers.replace("words", "phones", 1))
    assert row.text == "Bye"


def test_a_tier_of_another_speaker_whose_name_begins_alike_is_not_taken(tmp_path: Path) -> None:
    tiers = "".join(f'"IntervalTier"\n"{{}} - words"\n0\n1\n1\n0\n1\n"{word}"\n' for word in ("Hello", "Bye"))
    (row,) = read(tmp_path, "a.TextGrid", TEXTGRID + tiers.format("annabel", "bob"))
    assert row.fault.startswith("has the tiers 'annabel - words', 'bob - words'; call the one with the text 'words'")
    (row,) = read(tmp_path, "a.TextGrid", TEXTGRID + tiers.format("annabel", "Anna"))
    assert row.text == "Bye"


@pytest.mark.parametrize("block", ["NOTED by all", "NOTES\nof hers", "STYLED anew", "STYLE matters", "REGIONS"])
def test_a_block_of_webvtt_that_only_begins_like_a_remark_is_not_dropped(tmp_path: Path, block: str) -> None:
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n\n{}\n\n00:02.000 --> 00:03.000\nBye\n"
    (row,) = read(tmp_path, "a.vtt", cues.format(block))
    assert row.fault == f"holds text that belongs to no subtitle: {' '.join(block.split())!r}"
    for remark in ("NOTE", "NOTE by hand", "NOTE\nby hand", "STYLE\n::cue {}", "REGION\nid:1"):
        (row,) = read(tmp_path, "a.vtt", cues.format(remark))
        assert row.text == "Hello Bye"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (("sil", "silence", "is", "golden", "sil"), "silence is golden"),
        (("", "Silence", "", "please", ""), "Silence please"),
        (("silence", "hello", "silence", "world"), "hello world"),
    ],
)
def test_the_word_silence_is_spoken_where_pauses_have_another_mark(
    tmp_path: Path, labels: tuple[str, ...], text: str
) -> None:
    lines = "".join(f"{i}.0\t{i + 1}.0\t{label}\n" for i, label in enumerate(labels))
    (row,) = read(tmp_path, "a.txt", lines)
    assert row.text.split() == text.split()


def test_a_blank_line_in_a_subtitle_loses_no_words(tmp_path: Path) -> None:
    cues = "00:01.000 --> 00:02.000\nHello\n{}\n00:02.000 --> 00:03.000\nBye\n"
    header = "WEBVTT\nKind: captions\n\nSTYLE\n::cue {}\n\nNOTE by hand\n\nfirst\n"
    (row,) = read(tmp_path, "a.vtt", header + cues.format("\nthere\n"))
    assert row.fault == "holds text that belongs to no subtitle: 'there'"
    (row,) = read(tmp_path, "a.vtt", header + cues.format(""))
    assert row.text == "Hello Bye"
    (row,) = read(
        tmp_path, "a.srt", ("1\n" + cues.format("\nthere\n\n2")).replace(" 00", " 00:00").replace("\n00", "\n00:00")
    )
    assert row.text == "Hello there Bye"


def test_many_recordings_of_one_name_are_told_apart_by_their_folders_in_time(tmp_path: Path) -> None:
    """It took a time that grew with the cube of their number: a minute for these."""
    audio = tuple(f"sessions/{number}/take.wav" for number in range(1200))
    start = time.process_time()
    rows = read(
        tmp_path, "m.csv", "".join(f"/data/{number}/take.wav|Text {number}.\n" for number in range(1200)), audio
    )
    assert [row.audio for row in rows] == [(file,) for file in audio]
    assert time.process_time() - start < 15


def test_every_part_of_a_json_file_is_read(tmp_path: Path) -> None:
    content = '{"info": [{"id": 1}], "train": [{"file": "a", "text": "One."}], "test": [{"file": "b", "text": "Two."}]}'
    assert [(row.audio, row.text) for row in read(tmp_path, "m.json", content)] == [
        (("a.wav",), "One."),
        (("b.wav",), "Two."),
    ]


@pytest.mark.parametrize(
    ("language", "text", "encoding"),
    [
        ("en", "“Café,” she said.", "cp1252"),
        ("en", "“Café,” she said.", "mac_roman"),
        ("zh", "今天天气很好。", "gb18030"),
    ],
)
def test_lines_in_several_encodings_are_refused_and_never_misread(
    tmp_path: Path, language: str, text: str, encoding: str
) -> None:
    lines = [f"{name}|{text}\n".encode(encoding) for name in "abc"]
    for n_utf8 in range(4):
        (tmp_path / "m.csv").write_bytes(
            b"".join([*lines[n_utf8:], *(f"{n}|{text}\n".encode() for n in "abc"[:n_utf8])])
        )
        rows = read_transcripts(tmp_path, ["m.csv", *AUDIO], "anna", language)
        assert {row.text for row in rows} <= {"", text}
        assert any(row.text for row in rows) == (n_utf8 != 1)


@pytest.mark.parametrize("name", ["credits", "Notice 1", "authors"])
def test_a_text_about_the_recordings_is_a_transcript_where_audio_has_its_name(tmp_path: Path, name: str) -> None:
    (row,) = read(tmp_path, f"{name}.txt", "Thank you.", (f"{name.lower()}.WAV",))
    assert (row.text, row.fault) == ("Thank you.", "")
    assert read(tmp_path, f"{name}.txt", "Thank you.") == []


def test_a_page_named_like_a_recording_is_refused_where_it_has_no_other_text(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "a.md", "Hello.")
    assert (row.audio, row.fault) == (("a.wav",), "is in a format that is not read; save it as CSV or text in UTF-8")
    assert [row.file for row in read(tmp_path, "a.txt", "Hello.", (*AUDIO, "a.md"))] == ["a.txt"]
    assert read(tmp_path, "notes.md", "Hello.") == []
