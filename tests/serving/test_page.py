"""The page at / in a real browser: it plays what arrives, shows how soon it sounded and what came of each sentence."""

from __future__ import annotations

import re

import httpx
import pytest
from browser import wait_for, watch
from serving_helpers import ANNA, ThreadEngine, make_settings, running

from serving.errors import OverCapacityError


@pytest.fixture(scope="module")
def served():
    with running(ThreadEngine(served=(ANNA, ANNA.but(voice="ben", has_judged_lane=False)))) as one:
        yield one


def opened(browser, service):
    page = browser.new_page()
    seen = watch(page)
    page.goto(service.address)
    wait_for(page, "document.getElementById('voice').options.length == 2")
    return page, seen


def text_of(page, name: str) -> str:
    return page.locator(f"#{name}").inner_text()


def test_a_text_plays_while_it_arrives_with_its_latency_and_outcomes(browser, served, artifacts):
    page, seen = opened(browser, served)
    assert "version 2, verdict: pass (abababab)" in text_of(page, "release")
    page.fill("#text", "The kettle is on the stove. Who is there?")
    page.click("#speak")
    wait_for(page, "document.getElementById('result').dataset.done == 'spoken'")
    assert 0 < int(re.fullmatch(r"(\d+) ms", text_of(page, "first-audio"))[1]) < 20_000
    assert page.locator("#sentences li").count() == 2
    request_id = served.records[-1].request.request_id
    spoken = served.record_of(request_id)
    assert [one.outcome.replace("_", " ") for one in spoken.sentences] == page.locator(
        "#sentences .outcome"
    ).all_inner_texts()
    assert text_of(page, "length") == f"{spoken.finished.seconds_of_audio:.1f} s"
    wait_for(page, "player.context.currentTime > 0.1")  # the browser plays
    assert page.evaluate("player.context.state") == "running"
    assert page.locator("#save").get_attribute("href").startswith("blob:")
    page.screenshot(path=artifacts / "serving_page.png")
    assert seen.complaints == [] and all(url.startswith(served.address) for url in seen.requests)
    page.close()


def test_stop_ends_the_work_of_the_service(browser):
    engine = ThreadEngine(repeat=5000, delay=0.01, served=(ANNA, ANNA.but(voice="ben")))
    with running(engine) as service:
        page, _ = opened(browser, service)
        page.keyboard.press("Control+Enter")
        wait_for(page, "player && player.pieces.length > 2")
        page.keyboard.press("Escape")
        wait_for(page, "player === null")
        page.wait_for_timeout(500)
        assert engine.n_cancelled == 1
        page.close()


def test_a_refusal_is_shown_in_a_sentence(browser):
    engine = ThreadEngine(
        error=OverCapacityError("<b>60 s</b> of speech wait", retry_after=3), served=(ANNA, ANNA.but(voice="ben"))
    )
    with running(engine) as service:
        page, _ = opened(browser, service)
        page.select_option("#voice", "ben")
        page.click("#speak")
        wait_for(page, "!document.getElementById('error').hidden")
        assert text_of(page, "error") == "<b>60 s</b> of speech wait (over_capacity)"
        page.close()


def test_the_page_loads_nothing_foreign_and_cannot_be_framed(served):
    answer = httpx.get(served.address)
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)[1]
    assert f'<script nonce="{nonce}">' in answer.text and "frame-ancestors 'none'" in policy
    assert httpx.get(served.address).headers["content-security-policy"] != policy
    assert not re.search(r"(src|href)=\"?(https?:)?//", answer.text)
    for name in ("x-content-type-options", "referrer-policy", "cross-origin-opener-policy"):
        assert name in answer.headers


def test_with_keys_the_page_asks_for_one(browser):
    from serving_helpers import one_key

    settings = make_settings().model_copy(update={"require_keys": True})
    with running(ThreadEngine(served=(ANNA, ANNA.but(voice="ben"))), settings, authenticate=one_key) as service:
        page = browser.new_page()
        page.goto(service.address)
        wait_for(page, "!document.getElementById('error').hidden")
        assert "unauthenticated" in text_of(page, "error")
        page.fill("#key", "right")
        page.keyboard.press("Tab")
        wait_for(page, "document.getElementById('voice').options.length == 1")
        page.close()
