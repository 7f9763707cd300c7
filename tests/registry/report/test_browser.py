"""The report in a real browser: it opens from disk, plays, sorts, filters and prints, and makes no request."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import wait_for, watch
from imports import ROOT
from report_helpers import pairs, score_folder, utterance, verdict_on

from gpt_sovits.audio import load_audio, to_mono
from metrics.normalize import normalize_text
from registry.report.media import N_ROWS, spectrogram_db
from registry.report.page import ScoredVersion, render_report

SAMPLE = ROOT / "data/1_recordings/sample"
CATEGORIES = ("everyday", "questions", "names", "numbers")
PLAYER = "document.querySelector('#player audio')"


def read_sample() -> list[tuple[Path, str]]:
    """Return some recordings of the sample voice with their texts as the judges write them."""
    with (SAMPLE / "metadata.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))[:15]
    return [(next(SAMPLE.rglob(f"{line[0]}.flac")), normalize_text(line[-1], "en")) for line in lines]


def version(folder: Path, every: int, silent: tuple[int, ...] = ()) -> ScoredVersion:
    """Return a version that drops one word in `every` and says nothing for the `silent` prompts. Its sound is real."""

    def spoken(text: str) -> str:
        return " ".join(word for n, word in enumerate(text.split(), start=1) if n % every)

    def row(n: int, name: str, heard: str, category: str, failures: tuple[str, ...] = ()):
        recording, text = sample[n]
        return utterance(folder, name, heard, recording, reference=text, category=category, failures=failures)

    sample = read_sample()
    rows = tuple(
        row(n, f"audio/p{n:02d}-0.flac", "", CATEGORIES[n % 4], ("empty",))
        if n in silent
        else row(n, f"audio/p{n:02d}-0.flac", spoken(sample[n][1]), CATEGORIES[n % 4])
        for n in range(12)
    )
    real = tuple(row(n, f"recordings/clip{n}-0.flac", sample[n][1], "held_out") for n in range(12, 15))
    resynthesis = tuple(
        row(n, f"resynthesis/clip{n}-0.flac", spoken(sample[n][1]), "resynthesis") for n in range(12, 15)
    )
    scored = score_folder(folder, {})
    card = scored.scorecard.model_copy(update={"rows": rows, "held_out": real, "resynthesis": resynthesis})
    return replace(scored, scorecard=card)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory) -> ScoredVersion:
    return version(tmp_path_factory.mktemp("candidate"), 4, silent=(5, 7))


@pytest.fixture(scope="module")
def report(candidate, tmp_path_factory) -> Path:
    """Version 3, which is worse, against version 2, as a file on disk."""
    champion = version(tmp_path_factory.mktemp("champion"), 9)
    path = tmp_path_factory.mktemp("report") / "report.html"
    page = render_report(candidate, champion, signed=verdict_on(candidate, champion), pairs=pairs())
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def page(browser, report):
    """The report in a separate window, which must neither complain nor request anything but the file."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    seen = watch(page)
    page.goto(report.as_uri())
    yield page
    page.close()
    assert seen.complaints == [] and seen.requests == [report.as_uri()]


def visible_prompts(page) -> list[str]:
    """Return the ids of the prompts that are visible, in their order."""
    return page.eval_on_selector_all(
        "#prompts tbody tr", "rows => rows.filter(r => r.offsetHeight).map(r => r.dataset.prompt)"
    )


def wait_until_it_plays(page, since: float = 0.0) -> None:
    wait_for(page, f"{PLAYER}.duration > 0 && {PLAYER}.currentTime > {since} && !{PLAYER}.paused")


def test_first_screen_shows_the_decision_and_its_reasons(page, artifacts):
    page.screenshot(path=artifacts / "report-first-screen.png")
    assert page.locator("h1").inner_text() == "Version 3 of the voice “robin” must not replace version 2"
    reasons = page.locator(".decision > .reasons")
    assert "failed utterances 0.1667" in reasons.inner_text()
    for place in (reasons, page.locator(".cards")):
        box = place.bounding_box()
        assert box["y"] + box["height"] < 900  # without scrolling


def test_every_sentence_of_the_resynthesis_can_be_heard(page, artifacts):
    wait_for(page, "[...document.querySelectorAll('.resynthesis audio')].every(audio => audio.duration > 1)")
    assert page.locator(".resynthesis audio").count() == 9
    page.locator("#hear").scroll_into_view_if_needed()
    page.screenshot(path=artifacts / "report-resynthesis.png", full_page=True)


def test_players_play_one_at_a_time(page):
    buttons = page.locator("button.play")
    buttons.nth(0).click()
    wait_until_it_plays(page, 0.1)
    assert page.locator("#player").is_visible() and buttons.nth(0).get_attribute("aria-pressed") == "true"
    buttons.nth(1).click()
    wait_until_it_plays(page)
    assert [buttons.nth(n).get_attribute("aria-pressed") for n in (0, 1)] == ["false", "true"]
    page.locator(".resynthesis audio").first.evaluate("audio => audio.play()")
    wait_for(page, f"{PLAYER}.paused && document.querySelector('.resynthesis audio').currentTime > 0")
    assert buttons.nth(1).get_attribute("aria-pressed") == "false"


def test_keyboard_plays_moves_and_stops(page):
    page.locator("#text").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "play"  # the table's first button comes next
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    wait_until_it_plays(page)
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert ("version 3" in first, "version 2" in second) == (True, True)
    page.keyboard.press("Space")
    wait_for(page, "document.activeElement.getAttribute('aria-pressed') === 'true'")
    wait_until_it_plays(page)
    page.keyboard.press("Escape")
    wait_for(page, f"{PLAYER}.paused")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == first


def test_prompts_are_sorted_and_filtered(page):
    assert visible_prompts(page)[:2] == ["p05", "p07"] and len(visible_prompts(page)) == 12  # the largest losses first
    page.select_option("#sort", "prompt")
    assert visible_prompts(page) == [f"p{n:02d}" for n in range(12)]
    page.select_option("#sort", "wer")
    wers = page.eval_on_selector_all("#prompts tbody tr", "rows => rows.map(row => -row.dataset.wer)")
    assert wers == sorted(wers, reverse=True) and wers[0] == 1.0
    page.select_option("#failure", "empty")
    assert visible_prompts(page) == ["p05", "p07"] and page.locator("#count").inner_text() == "2 of 12 shown"
    page.select_option("#category", "questions")
    assert visible_prompts(page) == ["p05"]
    page.select_option("#failure", "")
    assert visible_prompts(page)[0] == "p05" and set(visible_prompts(page)) == {"p01", "p05", "p09"}
    page.select_option("#category", "")
    page.fill("#text", "P07")
    assert visible_prompts(page) == ["p07"]


def test_link_to_a_prompt_that_is_filtered_out_shows_it(page):
    page.fill("#text", "p01")
    assert visible_prompts(page) == ["p01"]
    page.locator("#failures ~ table a").first.click()
    assert "p05" in visible_prompts(page)


def test_spectrogram_drawn_on_demand_is_that_of_the_sound(page, candidate, artifacts):
    row = page.locator("#prompts tr[data-prompt=p03]")
    row.locator("button.look").first.click()
    canvas = row.locator("canvas")
    canvas.wait_for()
    loudness = canvas.evaluate(
        """canvas => {
          const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
          const rows = [];  // low frequencies first, as in spectrogram_db
          for (let y = height - 1; y >= 0; y--) {
            const row = [];
            for (let x = 0; x < width; x++) row.push(data[4 * (y * width + x)] + data[4 * (y * width + x) + 1]);
            rows.push(row);
          }
          return rows;
        }"""
    )
    samples, rate = load_audio(candidate.folder / "audio/p03-0.flac")
    expected = np.clip(spectrogram_db(to_mono(samples), rate), -95, -25)
    drawn = np.array(loudness, dtype=float)[:, : expected.shape[1]]
    assert drawn.shape[0] == N_ROWS and drawn.shape[1] >= expected.shape[1] - 3  # Opus may end a frame earlier
    assert np.corrcoef(drawn.ravel(), expected[:, : drawn.shape[1]].ravel())[0, 1] > 0.9
    row.screenshot(path=artifacts / "report-spectrogram.png")
    row.locator("button.look").first.click()
    assert row.locator("canvas").count() == 0


def test_dark_page_is_dark_and_its_text_is_light(page, artifacts):
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=artifacts / "report-dark.png")
    colours = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    background, text = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert background < 120 < 600 < text


def test_printed_page_has_every_text_and_no_player(page, artifacts):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert all(not one.is_visible() for one in page.locator("audio, button, #tools").all())
    assert len(visible_prompts(page)) == 12 and page.locator("h1").is_visible()
    assert page.locator("#recordings ~ details table").is_visible()  # opened for the printer
    page.pdf(path=artifacts / "report-print.pdf", format="A4")
    assert (artifacts / "report-print.pdf").stat().st_size > 20_000
    page.screenshot(path=artifacts / "report-print.png", full_page=True)


def test_phone_needs_no_scrolling_to_the_side(page, artifacts):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.screenshot(path=artifacts / "report-phone.png")
