"""What holds for any text: a layout gives it back or refuses it, and never gives another one."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from transcript_layouts import json_lines, lines, quoted

from gpt_sovits.text.encodings import ENCODINGS, UTF16, decode_texts
from stages.recordings.transcripts.checks import LostTranscriptsError, require_transcripts_used
from stages.recordings.transcripts.reader import Transcript, read_transcripts
from stages.recordings.transcripts.spoken import spoken_text

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("clip 1", "clip 2", "clip 3")
AUDIO = [f"wavs/{name}.wav" for name in NAMES]
Texts = Sequence[str]
Layout = Callable[[Texts], dict[str, str]]

MARKS = " ,.;:|\"'!?-()[]{}<>&#%@=\\/\u2028\u00a0«»“”、。？０éßñ你カ한"
characters = st.one_of(
    st.sampled_from(MARKS),
    st.characters(min_codepoint=33, categories=("L", "M", "N", "P", "S"), exclude_characters="\ufeff\ufffd"),
)
FILES = settings(deadline=None)  # a busy machine writes files slowly
texts = st.lists(st.text(characters, min_size=1, max_size=30), min_size=3, max_size=3)


def rows(said: Texts, name: str = "{}") -> list[list[str]]:
    return [[name.format(each), text] for each, text in zip(NAMES, said, strict=True)]


def beside(suffix: str, content: Callable[[str], str]) -> Layout:
    return lambda said: {f"wavs/{name}{suffix}": content(text) for name, text in rows(said)}


# of one quote or more, bars lose the outer ones: nobody speaks them
LAYOUTS: dict[str, Layout] = {
    "x.txt": beside(".txt", str),
    "x.wav.lab": beside(".wav.lab", str),
    "JSON Lines": lambda said: {"m.jsonl": json_lines({"path": name, "text": text} for name, text in rows(said))},
    "JSON": lambda said: {"m.json": json.dumps(dict(rows(said, "{}.wav")))},
    "CSV": lambda said: {"m.csv": quoted([["file", "text"], *rows(said)])},
    "CSV with semicolons": lambda said: {"m.csv": quoted([["file", "text"], *rows(said)], ";")},
    "bars with a header": lambda said: {"m.csv": lines([["file", "text"], *rows(said)])},
    "tabs with a header": lambda said: {"m.tsv": lines([["file", "text"], *rows(said)], "\t")},
    ".list": lambda said: {"m.list": lines([name, "a", "EN", text] for name, text in rows(said, "D:\\x\\{}.wav"))},
}


def read(contents: dict[str, str], audio: Sequence[str] = AUDIO) -> list[Transcript]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        return read_transcripts(Path(folder), sorted([*contents, *audio]), "anna", "en")


def spoken(text: str) -> str:
    return spoken_text(text, "anna", subtitles=False).text.replace('"', "").strip()


def assert_own_or_refused(transcripts: Sequence[Transcript], said: Texts) -> None:
    expected = {(audio,): spoken(text) for audio, text in zip(AUDIO, said, strict=True)}
    for row in transcripts:
        assert bool(row.text) != bool(row.fault)
        if row.text:
            assert row.text.replace('"', "").strip() == expected[row.audio]


@pytest.mark.parametrize("layout", LAYOUTS)
@FILES
@given(said=texts)
@example(said=["a|b", "c | d|", "|"])
@example(said=['"a', 'b"', '""'])
@example(said=['"a""b"', '"c;d"', "'e',f"])
@example(said=["id|text", "file\ttext", "clip 1"])
def test_text_comes_back_from_every_layout(layout: str, said: list[str]) -> None:
    bars = {text.count("|") for text in said}
    assume(layout != ".list" or len(bars) > 1 or bars == {0})  # else they look like further columns
    transcripts = read(LAYOUTS[layout](said))
    assert_own_or_refused(transcripts, said)
    kept = {row.audio[0] for row in transcripts if row.text}
    assert kept >= {file for file, text in zip(AUDIO, said, strict=True) if spoken(text)}


@FILES
@given(said=texts)
@example(said=["a", "a", "a"])
@example(said=["clip 1", "clip 1", "clip 1"])
@example(said=["0", "0", '"'])
def test_text_comes_back_from_a_table_without_header(said: list[str]) -> None:
    assume("|" not in "".join(said))
    assert_own_or_refused(read({"metadata.csv": lines(rows(said))}), said)
    assert_own_or_refused(read({"metadata.csv": lines([*row, row[1]] for row in rows(said))}), said)


names_as_written = st.lists(
    st.sampled_from(["{}", "{}.wav", "WAVS/{}.WAV", "C:\\a\\{}.mp3", "../{}", "{} ", "{}x", "x/{}/y", "lost", ""]),
    min_size=3,
    max_size=3,
)


@FILES
@given(patterns=names_as_written, delimiter=st.sampled_from("|\t;,"), n_told=st.integers(1, 3))
def test_recording_has_its_own_text_or_none_and_then_the_run_stops(
    patterns: list[str], delimiter: str, n_told: int
) -> None:
    said = ["One of them.", "Two of them.", "Three of them."]
    table = [[pattern.format(name), text] for pattern, name, text in zip(patterns, NAMES, said, strict=True)][:n_told]
    transcripts = read({"metadata.csv": lines(table, delimiter)})
    told = {file: row.text for row in transcripts for file in row.audio}
    for file, text in told.items():
        assert text in ("", said[AUDIO.index(file)])
    try:
        require_transcripts_used(transcripts, AUDIO, 0.0)
    except LostTranscriptsError:
        assert len(told) < n_told
    else:
        assert set(told) == set(AUDIO[:n_told])


def prompts(language: str) -> list[str]:
    data = YAML(typ="safe").load(ROOT / f"benchmarks/prompts/{language}.yaml")
    said = [prompt["text"] for prompt in data["prompts"]]
    return [f"“{text}” café, naïve" for text in said] if language == "en" else said


@pytest.mark.parametrize(
    ("language", "encoding"),
    [(language, encoding) for language, own in ENCODINGS.items() for encoding in (*own, *UTF16, "utf-16", "utf-32")],
)
def test_encoding_of_a_language_is_recognised_and_never_taken_for_another(language: str, encoding: str) -> None:
    said, generator = prompts(language), random.Random(0)
    samples = ["\n".join(generator.sample(said, n)) for n in (1, 1, 1, 2, 2, 5, 5, 20) for _ in range(3)]
    samples = [sample for sample in samples if sample.encode(encoding, "ignore").decode(encoding) == sample]
    decoded = [decode_texts({"x": sample.encode(encoding)}, language)["x"] for sample in samples]
    assert all(text.text in ("", sample) for text, sample in zip(decoded, samples, strict=True))
    assert sum(bool(text.fault) for text in decoded) <= len(samples) / 20


def test_short_texts_are_recognised_together() -> None:
    said = {"1.txt": "Café.", "2.txt": "“Yes,” said Zoë’s aunt – naïve.", "3.txt": "Plain."}
    decoded = decode_texts({file: text.encode("mac_roman") for file, text in said.items()}, "en")
    assert {file: text.text for file, text in decoded.items()} == said
    assert {text.encoding for text in decoded.values()} == {"Mac Roman", "UTF-8"}
    assert "may be" in decode_texts({"1.txt": "Café.".encode("mac_roman")}, "en")["1.txt"].fault
