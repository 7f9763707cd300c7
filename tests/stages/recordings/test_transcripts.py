"""Readers of metadata.csv, .txt and .list. They need no audio, because they use only the names of the files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from stages.recordings.transcripts.reader import Transcript, read_transcripts
from stages.recordings.transcripts.spoken import clean_text


def read(folder: Path, contents: dict[str, str | bytes], audio: list[str]) -> list[Transcript]:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcripts(folder, sorted([*contents, *audio]), "anna", "en")


def test_metadata_takes_the_normalised_text_where_it_is_given(tmp_path: Path) -> None:
    rows = read(
        tmp_path, {"metadata.csv": 'a|Dr. "Who"|Doctor "Who"\nb|Only one.\nc|Two|\n'}, ["wavs/a.wav", "b.flac", "c.ogg"]
    )
    assert [(row.audio, row.text, row.fault) for row in rows] == [
        (("wavs/a.wav",), 'Doctor "Who"', ""),
        (("b.flac",), "Only one.", ""),
        (("c.ogg",), "Two", ""),
    ]
    assert [row.source for row in rows] == ["metadata.csv:1", "metadata.csv:2", "metadata.csv:3"]


def test_metadata_may_name_files_and_have_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    rows = read(tmp_path, {"metadata.csv": b"\xef\xbb\xbfa.wav|One.\r\n\r\nb|Two.\r\n"}, ["wavs/a.wav", "wavs/b.wav"])
    assert [(row.audio, row.text) for row in rows] == [(("wavs/a.wav",), "One."), (("wavs/b.wav",), "Two.")]


def test_text_beside_the_audio_is_one_line(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"sub dir/x.txt": "  two\n lines\u2028and\x00 a tab\t.\n"}, ["sub dir/x.WAV".lower()])
    assert (row.audio, row.text) == (("sub dir/x.wav",), "two lines and a tab .")


def test_list_rows_may_have_bars_in_the_text_and_absolute_paths_inside_the_folder(tmp_path: Path) -> None:
    content = f"wavs\\a.wav|anna|EN|Yes|no.\n{tmp_path}/b.wav|anna|en|Two.\n./c.wav|anna|EN|Three.\n"
    rows = read(tmp_path, {"any.list": content}, ["wavs/a.wav", "b.wav", "c.wav"])
    assert [(row.audio, row.text) for row in rows] == [
        (("wavs/a.wav",), "Yes|no."),
        (("b.wav",), "Two."),
        (("c.wav",), "Three."),
    ]


def test_names_are_compared_in_composed_unicode(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "wavs/café ü.wav")
    (row,) = read(tmp_path, {"metadata.csv": "café ü|Coffee."}, [decomposed])
    assert row.audio == (decomposed,)


@pytest.mark.parametrize(
    ("name", "content", "audio", "fault"),
    [
        ("metadata.csv", "gone|Text.", ["a.wav"], "transcript without audio: there is no 'gone'"),
        ("x.txt", "Text.", ["a.wav"], "without audio: it has no recording's name, and is not a table"),
        ("x.srt", "1\n00:00:01,000 --> 00:00:02,000\nHi.\n", ["a.wav"], "without audio: there is no 'x' with an audio"),
        ("v.list", "gone.wav|anna|EN|Text.", ["a.wav"], "transcript without audio: there is no 'gone.wav'"),
        ("v.list", "../b/x.wav|anna|EN|Text.", ["a.wav"], "'../b/x.wav' points outside the voice's folder"),
        ("v.list", "a/../../x.wav|anna|EN|Text.", ["a.wav"], "points outside the voice's folder"),
        ("v.list", "/etc/x.wav|anna|EN|Text.", ["a.wav"], "points outside the voice's folder"),
        ("v.list", "C:\\x.wav|anna|EN|Text.", ["a.wav"], "points outside the voice's folder"),
        ("metadata.csv", "../../x|Text.", ["a.wav"], "points outside the voice's folder"),
        ("metadata.csv", "a", ["a.wav"], "is not a table of names and texts"),
        ("metadata.csv", "a|b|c|d", ["a.wav"], "has 4 columns without names; name them in a first line"),
        ("metadata.csv", "a||", ["a.wav"], "the transcript is empty"),
        ("a.txt", " \n\t\x00", ["a.wav"], "the transcript is empty"),
        ("a.txt", b"caf\x8e", ["a.wav"], "may be Windows-1252 or Mac Roman, and they give different texts"),
        (
            "a.txt",
            b"\x00\x01\xff\x00\xd8",
            ["a.wav"],
            "is not UTF-8 (byte 2 is 0xff), UTF-16 or an encoding of English",
        ),
        ("a.txt", "caf\ufffd", ["a.wav"], "holds characters that were lost (U+FFFD)"),
        ("v.list", "a.wav|anna|ZH|Text.", ["a.wav"], "language 'ZH' is not the voice's 'en'"),
        ("v.list", "a.wav|anna|english2|Text.", ["a.wav"], "unknown language 'english2'; known are en (English), zh"),
        ("v.list", "a.wav|anna|auto|Text.", ["a.wav"], "'auto' lets each text choose its language"),
        ("a.txt", "Text.", ["a.wav", "a.flac"], "belongs to any of a.flac, a.wav; keep one of them"),
    ],
)
def test_faults_are_named_and_give_no_text(
    tmp_path: Path, name: str, content: str | bytes, audio: list[str], fault: str
) -> None:
    (row,) = read(tmp_path, {name: content}, audio)
    assert fault in row.fault
    assert row.text == ""


def test_a_fault_keeps_the_audio_it_belongs_to(tmp_path: Path) -> None:
    """Otherwise a recording with an unreadable transcript would count as one that has none."""
    rows = read(
        tmp_path, {"metadata.csv": "a|caf\xe9\nb|caf\xe9\n".encode() + b"c|caf\xe9\n"}, ["a.wav", "b.wav", "c.wav"]
    )
    assert [row.audio for row in rows] == [("a.wav",), ("b.wav",), ("c.wav",)]
    assert [bool(row.fault) for row in rows] == [False, False, True]


def test_a_list_of_several_speakers_gives_only_the_voices_own_rows(tmp_path: Path) -> None:
    rows = read(tmp_path, {"v.list": "a.wav|anna|EN|One.\nb.wav|bert|EN|Two.\n"}, ["a.wav", "b.wav"])
    assert [(row.audio, row.text) for row in rows] == [(("a.wav",), "One."), (("b.wav",), "")]
    assert "speaker 'bert' is one of 2 and not this voice" in rows[1].fault


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "EN"),
        ("en", "all_en"),
        ("ja", "JP"),
        ("ja", "ALL_JA"),
        ("zh", "CN"),
        ("zh", "zh"),
        ("ko", "KR"),
        ("yue", "YUE"),
    ],
)
def test_a_row_in_an_alias_of_the_voices_language_is_used(tmp_path: Path, language: str, written: str) -> None:
    (tmp_path / "v.list").write_text(f"a.wav|anna|{written}|Text.\n")
    (row,) = read_transcripts(tmp_path, ["a.wav", "v.list"], "anna", language)
    assert (row.text, row.fault) == ("Text.", "")


def test_clean_text_composes_and_joins() -> None:
    assert clean_text("\ufeffcafe\u0301\r\nau  lait\x07!") == "café au lait !"
