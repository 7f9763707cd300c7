"""Transcripts and the audio that they belong to. No audio is needed, because only the names of the files are used."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from stages.recordings.transcripts.checks import LostTranscriptsError, require_transcripts_used
from stages.recordings.transcripts.reader import Transcript, agreed_text, read_transcripts


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
        ("x.txt", "Text.", ["a.wav"], "without audio: no recording has its name, and it is not a table"),
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
        ("yue", "CANT"),
    ],
)
def test_a_row_in_an_alias_of_the_voices_language_is_used(tmp_path: Path, language: str, written: str) -> None:
    (tmp_path / "v.list").write_text(f"a.wav|anna|{written}|Text.\n")
    (row,) = read_transcripts(tmp_path, ["a.wav", "v.list"], "anna", language)
    assert (row.text, row.fault) == ("Text.", "")


def texts_by_audio(rows: list[Transcript]) -> dict[tuple[str, ...], str]:
    return {row.audio: row.text for row in rows}


def test_twins_of_a_name_in_both_forms_of_unicode_keep_their_own_texts(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    contents = {f"{composed}.txt": "One.", f"{decomposed}.txt": "Two."}
    rows = read(tmp_path, contents, [f"{composed}.wav", f"{decomposed}.wav"])
    assert texts_by_audio(rows) == {(f"{composed}.wav",): "One.", (f"{decomposed}.wav",): "Two."}


def test_case_of_letters_counts_where_it_alone_tells_two_files_apart(tmp_path: Path) -> None:
    rows = read(tmp_path, {"metadata.csv": "A|One.\na|Two.\n"}, ["A.wav", "a.wav"])
    assert texts_by_audio(rows) == {("A.wav",): "One.", ("a.wav",): "Two."}
    (row,) = read(tmp_path, {"metadata.csv": "ab|One.\n"}, ["Ab.wav", "aB.wav"])
    assert row.fault == "belongs to any of Ab.wav, aB.wav; keep one of them"


def test_both_microphones_of_vctk_have_the_same_text(tmp_path: Path) -> None:
    audio = ["wav48/p225/p225_001_mic1.flac", "wav48/p225/p225_001_mic2.flac"]
    (row,) = read(tmp_path, {"txt/p225/p225_001.txt": "Please call Stella."}, audio)
    assert (row.audio, row.text, row.fault) == (tuple(audio), "Please call Stella.", "")


def test_folders_decide_where_several_files_have_the_name(tmp_path: Path) -> None:
    audio = ["s1/wavs/a.wav", "s2/wavs/a.wav"]
    rows = read(tmp_path, {"s1/metadata.csv": "a|One.\n", "s2/metadata.csv": "a|Two.\n"}, audio)
    assert texts_by_audio(rows) == {("s1/wavs/a.wav",): "One.", ("s2/wavs/a.wav",): "Two."}
    (row,) = read(tmp_path / "b", {"v.list": "/root/s2/wavs/a.wav|anna|EN|Two.\n"}, audio)
    assert row.audio == ("s2/wavs/a.wav",)
    (row,) = read(tmp_path / "c", {"v.list": "/root/out/a.wav|anna|EN|Any.\n"}, audio)
    assert row.fault == "belongs to any of s1/wavs/a.wav, s2/wavs/a.wav; keep one of them"


def test_pieces_of_one_recording_are_joined_in_the_order_of_their_times(tmp_path: Path) -> None:
    content = "file,start,end,text\na.wav,10.5,12,Three.\na.wav,0,2,One.\na.wav,2,9,Two.\n"
    (row,) = read(tmp_path, {"segments.csv": content}, ["a.wav"])
    assert (row.source, row.text) == ("segments.csv:2", "One. Two. Three.")


def test_rolling_subtitles_are_read_once(tmp_path: Path) -> None:
    cues = ["one two", "one two", "one two\nthree four", "three four", "three four\nfive"]
    blocks = [f"00:0{i}.000 --> 00:0{i + 1}.000\n{cue}\n\n" for i, cue in enumerate(cues)]
    (row,) = read(tmp_path, {"a.vtt": f"WEBVTT\n\n{''.join(blocks)}"}, ["a.wav"])
    assert row.text == "one two three four five"
    blocks = [f"00:0{i}.000 --> 00:0{i + 1}.000\n{cue}\n\n" for i, cue in enumerate(["No.", "No.", "Two\nlines."])]
    (row,) = read(tmp_path, {"a.vtt": f"WEBVTT\n\n{''.join(blocks)}"}, ["a.wav"])
    assert row.text == "No. No. Two lines."


def test_subtitles_that_end_as_they_begin_or_come_in_disorder_keep_their_text(tmp_path: Path) -> None:
    cues = [("00:00:02,000", "00:00:03,000", "Two."), ("00:00:01,000", "00:00:01,000", "One.")]
    (row,) = read(tmp_path, {"a.srt": "".join(f"1\n{a} --> {b}\n{text}\n\n" for a, b, text in cues)}, ["a.wav"])
    assert row.text == "One. Two."


def test_longest_of_texts_with_the_same_words_is_taken(tmp_path: Path) -> None:
    rows = read(tmp_path, {"a.lab": "YES SIR", "a.txt": "Yes, sir.", "metadata.csv": "a|yes sir\n"}, ["a.wav"])
    assert agreed_text(rows) == "Yes, sir."
    assert agreed_text([*rows, rows[0]._replace(text="No, sir.")]) is None


@pytest.mark.parametrize(("file", "content"), [("a.TextGrid", "x"), ("a.original.txt", "No. 3")])
def test_text_of_second_choice_counts_only_where_there_is_none_of_the_first(
    tmp_path: Path, file: str, content: str
) -> None:
    assert [row.source for row in read(tmp_path, {file: content, "metadata.csv": "a|Three.\n"}, ["a.wav"])] == [
        "metadata.csv:1"
    ]
    (tmp_path / "metadata.csv").unlink()
    assert [row.audio for row in read(tmp_path, {file: content}, ["a.wav"])] == [("a.wav",)]


def test_rows_of_other_speakers_are_not_lost_transcripts(tmp_path: Path) -> None:
    rows = read(tmp_path, {"v.list": "a.wav|anna|EN|One.\nb.wav|bert|EN|Two.\n"}, ["a.wav", "b.wav", "c.wav"])
    require_transcripts_used(rows, ["a.wav", "b.wav", "c.wav"], 0.0)


def test_more_lost_transcripts_than_allowed_stop_the_run(tmp_path: Path) -> None:
    audio = ["a.wav", "b.wav", "c.wav", "d.wav"]
    rows = read(tmp_path, {"metadata.csv": "a|One.\nb|Two.\nc|Three.\ne|Four.\n"}, audio)
    require_transcripts_used(rows, audio, 0.25)
    with pytest.raises(LostTranscriptsError, match=r"names 'e'.* raise ingest\.max_lost\w+ = 0\.24$"):
        require_transcripts_used(rows, audio, 0.24)
    require_transcripts_used(rows, audio[:3], 0.0)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("0 4000000 sil\n4000000 9000000 Hello\n", "Hello"),
        ("0 46797 She had your dark suit.\n", "She had your dark suit."),
        ("3 4 people came.\n", "3 4 people came."),
        ("3 4 people came.\n1 2 of them left.\n", "3 4 people came. 1 2 of them left."),
        ("0 5 was the result.\n", "0 5 was the result."),
        ("1 2 buckle my shoe\n3 4 knock at the door\n", "1 2 buckle my shoe 3 4 knock at the door"),
        ("1914 1918 the first.\n1939 1945 the second.\n", "1914 1918 the first. 1939 1945 the second."),
        ("0.5 1.2 Hello\n1.5 2.0 you\n", "Hello you"),
        ("0 1 Hello\n1 2 you\n", "Hello you"),
        ("10:30 is early.\n11:15 is late.\n", "10:30 is early. 11:15 is late."),
        ("0:00 Hello\n0:05 you\n", "Hello you"),
        ("[1:00] Hello\n[1:05] you\n", "Hello you"),
    ],
)
def test_times_before_labels_are_no_words_and_numbers_in_a_text_are(tmp_path: Path, content: str, text: str) -> None:
    (row,) = read(tmp_path, {"a.lab": content}, ["a.wav"])
    assert (row.text, row.fault) == (text, "")
