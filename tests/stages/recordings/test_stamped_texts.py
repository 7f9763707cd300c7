"""Times in front of lines are left out, in whatever form. A time that may be spoken stays, or stops the run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stages.recordings.transcripts.reader import Transcript, read_transcripts


def read(folder: Path, file: str, content: str) -> Transcript:
    (folder / file).write_text(content)
    (row,) = read_transcripts(folder, ["a.wav", file], "anna", "en")
    assert row.audio == ("a.wav",)
    return row


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("0:00 - 0:04 Hello there", "Hello there"),
        ("1:00 - 1:04 Hello there", "Hello there"),
        ("00:00:01.000\t00:00:04.000\tHello", "Hello"),
        ("00:00:01,000 00:00:03,000 Hello", "Hello"),
        ("[00:00:00 - 00:00:04] Hello", "Hello"),
        ("[0:00-0:04] Hello", "Hello"),
        ("[0.00s -> 4.00s] Hello\n[4.00s -> 5.50s] you", "Hello you"),
        ("0:00:01.000,0:00:03.000\nHello\n\n0:00:03.000,0:00:05.000\nyou[br]two\n10:30 is early.", ""),
        ("00:00:01:12 Hello\n00:00:03:10 you", "Hello you"),
        ("00:00:01;12 - 00:00:03;10\nHello", "Hello"),
        ("**[00:00]** Hello", "Hello"),
        ("- 0:03 Hello\n- 0:05 you", "Hello you"),
        ("0:00\nHello\n0:04\nyou there", "Hello you there"),
        ("[0:00] Hello\nthere\n10:30 is early\n[0:20] you", "Hello there 10:30 is early you"),
        ("Anna  0:03\nHello there\n\nAnna  0:08\nyou\n\nTranscribed by https://otter.ai", "Hello there you"),
        ("Speaker 1 (00:00):\nHello", "Hello"),
        ("0.0\t1.5\tHello\n\\\t100\t5000\n1.5\t2.0\tyou\n\\\t100\t5000\n", "Hello you"),
        ("My talk\n[0:00] Hello\n[0:04] you\n", "Hello you"),
        ("My talk\n\n0:00 Hello\n0:04 you\n", "Hello you"),
        ("1\n00:00:01 --> 00:00:03\nHello\n\n2\n00:00:04 --> 00:00:06\n3\n", "Hello 3"),
        ("0:00 10:30 is early\n0:05 yes", "10:30 is early yes"),
        ("[00:00]Hello\n[00:05]you", "Hello you"),
    ],
)
def test_times_in_front_of_lines_are_left_out(tmp_path: Path, content: str, text: str) -> None:
    row = read(tmp_path, "a.txt", content)
    assert (row.text, row.fault) == (text or "Hello you two 10:30 is early.", "")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.tsv", "00:00:01.000\t00:00:04.000\tHello"),
        ("a.tsv", "Start\tEnd\tText\n00:00:01.000\t00:00:04.000\tHello"),
        ("a.sbv", "0:00:01.000,0:00:03.000\nHello\n"),
        ("a.srt", "1\n00:00:01 --> 00:00:03\nHello\n"),
    ],
)
def test_files_of_other_kinds_hold_times_too(tmp_path: Path, file: str, content: str) -> None:
    row = read(tmp_path, file, content)
    assert (row.text, row.fault) == ("Hello", "")


@pytest.mark.parametrize(
    "content",
    [
        "We know that at 10:30 we met.",
        "We met\nat 10:30 and\nleft at 11:15.",
        "10:30 is early.\n11:15 is late.",
        "2:03:04 was the record.",
        "We leave at 0:30.\nWe arrive at 0:45",
        "We leave at 0:30\nWe arrive at 0:45",
        "The score was 3:16 and then 4:20.",
        "It is 10:30:15 now\nand was 10:30:10 then.",
        "Lunch  12:30\nDinner  18:30",
    ],
)
def test_a_time_that_is_spoken_stays(tmp_path: Path, content: str) -> None:
    row = read(tmp_path, "a.txt", content)
    assert (row.text, row.fault) == (" ".join(content.split()), "")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("My talk\n[0:10] Hello\n[0:14] you", "has 'My talk' above the first time, 0:10; remove it, or give it a time"),
        ("Anna  0:03\nHello\nBob  0:08\nyou", "has texts of the speakers 'Anna' and 'Bob'; keep what one of them says"),
        (
            "10:30 - 11:15 is the lesson",
            "with times such as 10:30, which may be spoken; write them as [10:30], or as w",
        ),
        ("1:05 Hello there my friend\n1:07 you are here", "begins lines with times such as 1:05, which may be spoken"),
        ("59:58 Hello there\n1:00:02 you there", "begins lines with times such as 59:58, which may be spoken"),
        (
            "Anna: [0:00] Hello",
            "times in a form that is not read, such as '[0:00]' in line 1; write times as [0:12] at",
        ),
        ("Hi.\nAnna (0:03): Hello\nAnna (0:06): you", "in a form that is not read, such as '(0:03)' in line 2; write"),
        ("Hello [00:04] you", "holds times in a form that is not read, such as '[00:04]' in line 1"),
        ("Anna 0:03\nHello\nAnna 0:08\nyou", "holds times in a form that is not read, such as 'Anna 0:03'"),
        ("0:03Hello\n0:05you", "holds times in a form that is not read, such as '0:03' in line 1"),
        (
            "Title\n0.0\t1.0\tHello\n1.0\t2.0\tyou",
            "holds times in a form that is not read, such as '0.0\\t1.0' in line 2",
        ),
        ("t=00:00:01.500 Hello", "holds times in a form that is not read, such as '00:00:01.500' in line 1"),
    ],
)
def test_times_that_cannot_be_told_from_words_stop_the_run(tmp_path: Path, content: str, fault: str) -> None:
    row = read(tmp_path, "a.txt", content)
    assert row.text == ""
    assert fault in row.fault
    assert "\n" not in row.fault


def test_a_table_of_names_and_times_has_no_speakers(tmp_path: Path) -> None:
    (tmp_path / "times.txt").write_text("a.wav\t0:03\nb.wav\t0:04\n")
    (row,) = read_transcripts(tmp_path, ["a.wav", "b.wav", "times.txt"], "anna", "en")
    assert row.fault.startswith("has only numbers beside the names, which may be durations or labels")


@pytest.mark.parametrize("content", [" " * 100_000 + "x", "0:00 " + " " * 100_000 + "x", "0:0" * 50_000, "A " * 50_000])
def test_time_to_look_for_times_grows_with_the_length_of_the_text_only(tmp_path: Path, content: str) -> None:
    start = time.process_time()
    read(tmp_path, "a.txt", content)
    assert time.process_time() - start < 5
