"""The data card in a real browser: it opens from disk, plays, fits a phone, and makes no request."""

from __future__ import annotations

import shutil

import pytest
from browser import wait_for, watch
from card_helpers import VoiceOnDisk, aligned, cut, disagreement, recording, sample_texts
from imports import ROOT

from gpt_sovits.audio import load_audio
from stages.card.card import make_card
from stages.card.facts.inputs import load_tables
from stages.card.pages.page import render_card
from stages.params import load_params
from stages.tables import Reject

N_CLIPS = 14


@pytest.fixture(scope="module")
def card_page(tmp_path_factory):
    """The card of real speech with faults of every kind, as a file on disk."""
    root = tmp_path_factory.mktemp("voice")
    (root / "clips/audio").mkdir(parents=True)
    rows = []
    for i, (path, text) in enumerate(sample_texts(N_CLIPS)):
        shutil.copyfile(path, root / f"clips/audio/{i:012x}-0000.flac")
        seconds = len(load_audio(path)[0]) / 16000
        changes = {"reason": "character error rate above align.max_cer = 0.3: 0.61", "cer": 0.61} if i > 11 else {}
        heard = text.lower().strip(".?").replace(" the ", " a ") if i % 3 else text.lower().strip(".?")
        changes |= {"speaker": int(i == 9), "speaker_similarity": 0.3 if i == 9 else 0.8 - 0.01 * i}
        changes |= {"duplicate_group": "000000000004-0000"} if i in (4, 5) else {}
        rows.append(aligned(i, text, seconds, **{"cer": 0.02 * (i % 3), "asr_text": heard} | changes))
    rejects = [Reject(path="hall.wav", reason="level -63 dBFS is below ingest.min_level_dbfs = -60", seconds=12.0)]
    on_disk = VoiceOnDisk(
        root,
        recordings=[recording(i, longest_clipping=40 * (i == 3), snr_db=18.0 + 2 * i) for i in range(N_CLIPS)],
        ingest_rejects=rejects,
        clips=[cut(i, seconds=row.seconds) for i, row in enumerate(rows)],
        aligned=rows,
        disagreements=[disagreement(2, "teapot", "tea part")],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        folders = on_disk.write()
        page = render_card(make_card(load_tables("anna", folders), load_params()), folders)
    path = tmp_path_factory.mktemp("card") / "card.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(params=[(1280, 900, "light"), (390, 844, "dark")], ids=["desktop", "phone"])
def page(request, browser, card_page):
    """The card in a separate window, which must neither complain nor request anything but the file."""
    width, height, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    seen = watch(page)
    page.goto(card_page.as_uri())
    yield page
    page.close()
    assert seen.complaints == [] and seen.requests == [card_page.as_uri()]


def test_it_fits_the_window_and_says_what_to_do(page, artifacts):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "recorded for the voice “anna” can be used" in page.locator("h1").inner_text()
    assert page.locator(".advice > li").count() >= 3
    page.screenshot(path=artifacts / f"data-card-{page.viewport_size['width']}.png", full_page=True)


def test_clips_play_one_at_a_time_and_by_keyboard(page):
    buttons = page.locator("button.play")
    assert buttons.count() == N_CLIPS
    buttons.nth(0).click()
    wait_for(page, "playing.getAttribute('aria-pressed') === 'true' && player.currentTime > 0.1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelectorAll('[aria-pressed=true]').length === 1 && !player.paused")
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    wait_for(page, "player.paused && !document.querySelector('[aria-pressed=true]')")


def test_the_rule_behind_an_advice_opens(page):
    rule = page.locator(".advice details").first
    rule.locator("summary").click()
    assert rule.locator("p").is_visible()
