"""The evaluation report: complete, in order, safe with hostile text, and the same bytes every time."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gpt_sovits.audio import save_flac
from metrics.scores import Judges, Pair, Scorecard, Similarities, UtteranceScore
from stages import report
from stages.report import Word, compare_words, render_report
from stages.report_media import (
    COMPACT,
    FINE,
    MAX_COLUMNS,
    N_ROWS,
    mp3_address,
    spectrogram_address,
    spectrogram_db,
)

RATE = 32_000
HOSTILE = "<script>alert('x')</script>&\"</td>"
VOID = {"meta", "br", "img", "input", "link"}


class Page(HTMLParser):
    """The elements of a page. Fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def tone(seconds: float, sample_rate: int = RATE) -> np.ndarray:
    """(n,) float32: a 1 kHz tone at half of full scale."""
    return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * sample_rate)) / sample_rate)).astype(np.float32)


def utterance(prompt_id: str, errors: int = 0, **changes: object) -> UtteranceScore:
    heard = ["one", "two", "three", "four"][errors:]
    return UtteranceScore(
        **{
            "prompt_id": prompt_id,
            "category": "short",
            "language": "en",
            "seed": 0,
            "reference": "one two three four",
            "hypothesis": " ".join(heard),
            "word_errors": errors,
            "n_words": 4,
            "char_errors": errors,
            "n_chars": 18,
            "similarity": 0.7,
            "similarity_held_out": 0.7,
            "seconds": 0.5,
            "duration_ratio": 1.0,
            "silence_share": 0.1,
            "clipped_share": 0.0,
            "pitch_range_semitones": 8.0,
            "audio": f"audio/{prompt_id}-0.flac",
            "audio_sha256": "0" * 64,
        }
        | changes
    )


def scorecard(rows: tuple[UtteranceScore, ...], **changes: object) -> Scorecard:
    real = utterance("clip-0000", 1, category="held_out", audio="")
    judges = Judges(
        asr="an asr",
        asr_version="1",
        speaker="a verifier",
        speaker_version="2",
        normalizer="plain",
        normalizer_version="3",
    )
    pair = Pair(gpt_epoch=4, sovits_epoch=2, gpt_sha256="a" * 64, sovits_sha256="b" * 64)
    values = {"voice": "robin", "pair": pair, "judges": judges, "prompts_sha256": "c" * 64, "seeds": (0,)}
    floor = Similarities(similarity=0.1, similarity_held_out=0.1, n=26)
    return Scorecard(**values | {"rows": rows, "held_out": (real,), "similarity_floor": floor} | changes)


def pairs() -> list[dict[str, float | None]]:
    return [
        {
            "gpt_epoch": gpt,
            "sovits_epoch": sovits,
            "wer": 0.1 * gpt,
            "cer": 0.05,
            "similarity": None,
            "failed_share": 0.0,
        }
        for gpt in (2, 4)
        for sovits in (1, 2)
    ]


@pytest.fixture
def audio_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    for name in "abcdefghijkl":
        save_flac(folder / f"{name}-0.flac", tone(0.5), RATE)
    return folder


def numbered(page: str) -> list[str]:
    """The prompt ids of the table, in its order."""
    return re.findall(r"<code>([a-l])</code>", page)


def test_the_page_nests_and_needs_nothing_from_outside(audio_dir: Path) -> None:
    page = Page(render_report(scorecard((utterance("a", 1), utterance("b"))), pairs(), audio_dir))
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"} == set()
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert all(image["alt"] for image in page.all("img")) and all(sound["aria-label"] for sound in page.all("audio"))


def test_hostile_text_is_shown_and_not_obeyed(audio_dir: Path) -> None:
    row = utterance(
        "a",
        2,
        reference=f"one {HOSTILE}",
        hypothesis=f"{HOSTILE} extra",
        failures=(HOSTILE,),
        category=HOSTILE,
        n_words=2,
    )
    judges = dict.fromkeys(Judges.model_fields, HOSTILE)
    card = scorecard((row,), voice=HOSTILE, judges=Judges(**judges), prompts_sha256=HOSTILE, held_out=(row,))
    text = render_report(card, pairs(), audio_dir, rule=HOSTILE)
    assert "<script" not in text
    assert HOSTILE in Page(text).text()


def test_equal_scores_give_equal_bytes_in_another_place(audio_dir: Path, tmp_path: Path) -> None:
    card = scorecard((utterance("a", 1), utterance("b", failures=("empty",))))
    elsewhere = tmp_path / "elsewhere" / "audio"
    elsewhere.mkdir(parents=True)
    for path in audio_dir.iterdir():
        (elsewhere / path.name).write_bytes(path.read_bytes())
    first = render_report(card, pairs(), audio_dir)
    assert first == render_report(card, pairs(), elsewhere)
    assert str(tmp_path) not in first


def test_worst_utterances_come_first(audio_dir: Path) -> None:
    rows = (
        utterance("a"),
        utterance("b", 1),
        utterance("c", 3),
        utterance("d", 3, similarity=0.2),
        utterance("e", 3, similarity=None),
        utterance("f", 1, failures=("cut_off",)),
        utterance("g", 4, failures=("empty",)),
    )
    page = render_report(scorecard(rows), pairs(), audio_dir)
    assert numbered(page) == ["g", "f", "e", "d", "c", "b", "a"]
    assert page == render_report(scorecard(rows[::-1]), pairs(), audio_dir)


def test_every_failure_is_shown_by_name_with_its_utterances(audio_dir: Path) -> None:
    rows = tuple(utterance(name, 4, failures=("empty", "cut_off")) for name in "abcdefghijk")
    rows += (utterance("l", failures=("a_new_one",)),)
    real = utterance("clip", category="held_out", audio="", failures=("runaway",))
    text = Page(render_report(scorecard(rows, held_out=(real,)), pairs(), audio_dir)).text()
    for name, count, n_real in (("empty", 11, 0), ("cut off", 11, 0), ("a new one", 1, 0), ("runaway", 0, 1)):
        assert re.search(rf"{name} .{{0,150}}?{count} of 12 {n_real} of 1\b", text), name
    assert text.count("a new one") == 2  # in the summary and at its utterance


def test_real_recordings_stand_beside_the_voice(audio_dir: Path) -> None:
    text = Page(render_report(scorecard((utterance("a", 2), utterance("b"))), pairs(), audio_dir)).text()
    assert "It made 25 mistakes in every 100 words ; the speaker's real recordings show 25 when" in text
    assert "None of the 2 utterances failed." in text
    assert "an asr 1" in text and "c" * 64 in text and "a" * 64 in text


def test_without_real_recordings_the_page_says_so(audio_dir: Path) -> None:
    text = Page(render_report(scorecard((utterance("a"),), held_out=()), [], audio_dir)).text()
    assert "there are no real recordings to compare with" in text and "No recording was held out" in text
    assert "Which checkpoint pair" not in text


def test_nothing_spoken_is_said_plainly(audio_dir: Path) -> None:
    text = Page(render_report(scorecard(()), [], audio_dir)).text()
    assert "Nothing was spoken, so nothing could be measured." in text
    assert "not measured" in text and "nan" not in text.lower().split()


def test_unmeasured_likeness_has_no_figure_and_is_explained(audio_dir: Path) -> None:
    rows = (utterance("a", similarity=None), utterance("b", similarity=0.5))
    text = Page(render_report(scorecard(rows), pairs(), audio_dir)).text()
    assert "Could not be measured in 1 of 2, so there is no figure for all; the mean of the other 1 is 0.50." in text
    assert "? is what could not be measured" in text


def test_the_chosen_pair_is_marked_once_a_map(audio_dir: Path) -> None:
    page = Page(render_report(scorecard((utterance("a"),)), pairs()[1:], audio_dir, rule="Fewest mistakes."))
    cells = [cell for cell in page.all("td") if cell.get("class") in ("chosen", "absent")]
    assert [cell["class"] for cell in cells] == ["absent", "chosen"] * 4
    assert "Fewest mistakes." in page.text()


def test_words_are_compared_in_order() -> None:
    assert compare_words("a b c d e f g h i", "a x y d f g h i j") == [
        Word("equal", "a", "a"),
        Word("substitute", "b", "x"),
        Word("substitute", "c", "y"),
        Word("equal", "d", "d"),
        Word("delete", "e", ""),
        Word("equal", "f g h i", "f g h i"),
        Word("insert", "", "j"),
    ]
    assert compare_words("one two", "") == [Word("delete", "one two", "")]


def test_a_page_stays_small_and_names_what_it_leaves_out(audio_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(utterance(name, 1) for name in "abcdefghijkl")
    whole = render_report(scorecard(rows), pairs(), audio_dir)
    assert len(Page(whole).all("audio")) == 12 and len(Page(whole).all("img")) == 8
    one_sound = max(len(sound["src"]) for sound in Page(whole).all("audio"))
    monkeypatch.setattr(report, "MAX_AUDIO_CHARS", 9 * one_sound)
    page = render_report(scorecard(rows), pairs(), audio_dir)
    sounds = [sound["aria-label"].split(", ")[1] for sound in Page(page).all("audio")]
    assert sounds == list("abcdefgkl")  # the worst, and the two best that have a picture
    assert page.count("Not embedded, to keep this page small: <code>audio/") == 3


def test_an_hour_of_runaways_stays_under_15_megabytes(audio_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 50 * RATE).astype(np.float32)  # compresses worst
    sound, picture = mp3_address(noise, RATE, COMPACT), spectrogram_address(noise, RATE)
    monkeypatch.setattr(
        report, "mp3_address", lambda waveform, sample_rate, quality: sound
    )  # encoded once, not 72 times
    monkeypatch.setattr(report, "spectrogram_address", lambda waveform, sample_rate: picture)
    rows = tuple(utterance(f"p{i}", 4, audio="audio/a-0.flac", seconds=50.0) for i in range(72))
    page = render_report(scorecard(rows), pairs(), audio_dir)
    assert 10_000_000 < len(page.encode()) < 15_000_000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("audio/absent-0.flac", r"absent-0\.flac: .*run the evaluate stage again"),
        ("audio/broken.flac", r"broken\.flac: cannot be decoded"),
        ("audio/../../secret.flac", "names the audio 'audio/../../secret.flac', which is not in its folder `audio`"),
        ("/etc/passwd", "which is not in its folder"),
    ],
)
def test_audio_that_is_not_there_is_an_error(audio_dir: Path, name: str, message: str) -> None:
    (audio_dir / "broken.flac").write_text("no audio")
    with pytest.raises(ValueError, match=message):
        render_report(scorecard((utterance("a", audio=name),)), pairs(), audio_dir)


def test_a_row_without_audio_says_so(audio_dir: Path) -> None:
    page = Page(render_report(scorecard((utterance("a", audio=""),)), pairs(), audio_dir))
    assert "No audio was kept." in page.text() and page.all("audio") == [] == page.all("img")


@pytest.mark.parametrize("quality", [FINE, COMPACT])
def test_sound_survives_the_encoding(quality: tuple[int, float]) -> None:
    import io

    import soundfile

    address = mp3_address(tone(1.0), RATE, quality)
    kind, content = address.split(",")
    assert kind == "data:audio/mpeg;base64"
    waveform, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
    assert sample_rate == quality[0] and abs(len(waveform) / sample_rate - 1.0) < 0.1
    assert np.argmax(np.abs(np.fft.rfft(waveform[:sample_rate]))) == pytest.approx(1000, abs=3)


def test_spectrogram_shows_a_tone_where_it_is() -> None:
    picture = spectrogram_db(tone(1.0), RATE)
    assert picture.shape[0] == N_ROWS and 95 <= picture.shape[1] <= 100
    assert np.argmax(picture[:, 50]) in (15, 16)  # 1000 Hz at 62.5 Hz a row
    assert picture.max() == pytest.approx(-15, abs=3)  # half of full scale, its power shared by two rows
    assert spectrogram_db(np.zeros(RATE, np.float32), RATE).max() == -120.0


@pytest.mark.parametrize("n_samples", [1, 100, RATE * 60])
def test_spectrogram_of_any_length_has_a_bounded_width(n_samples: int) -> None:
    picture = spectrogram_db(np.zeros(n_samples, np.float32), RATE)
    assert 1 <= picture.shape[1] <= MAX_COLUMNS
    content = base64.b64decode(spectrogram_address(np.zeros(n_samples, np.float32), RATE).split(",")[1])
    assert content.startswith(b"\x89PNG") and b"matplotlib" not in content
