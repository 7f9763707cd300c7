"""The page of `vox listen` in a real browser: two people listen and vote at once with the keyboard."""

from __future__ import annotations

import pytest
from browser import watch
from listening_helpers import LEFT_BEHIND, make_release, serving

from registry.listening.votes import read_votes


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch):
    for name in LEFT_BEHIND:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served(store):
    with serving(store) as (session, url):
        yield session, url


def begin(browser, url, name, **options):
    """Return the page with a listener's first question, and what the browser reports about it."""
    page = browser.new_page(**options)
    seen = watch(page)
    page.goto(url)
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    page.locator("#trial").wait_for(state="visible")
    return page, seen


def hear_both(page):
    for key, side in (("1", "a"), ("2", "b")):
        page.locator(f"#play-{side}:not(.heard):enabled").wait_for()
        page.keyboard.press(key)
        page.locator(f"#play-{side}.heard").wait_for(timeout=20_000)


def vote(page, key):
    before = page.locator("#bar").evaluate("bar => bar.value")
    hear_both(page)
    page.keyboard.press(key)
    has_voted(page, before + 1)


def has_voted(page, n):
    from playwright.sync_api import expect  # its waiting needs no script in the page, which forbids them

    expect(page.locator("#bar")).to_have_js_property("value", n, timeout=20_000)


def votes(session):
    pair = session.listening
    return read_votes(session.store, pair.candidate.candidate_id, pair.champion.candidate_id)


def rows_of(session, listener):
    return [row for row in votes(session).rows if row["listener"] == listener]


def test_two_people_vote_with_the_keyboard_and_see_the_result_at_the_end(browser, served, artifacts):
    session, url = served
    pages = {name: begin(browser, url, name) for name in ("anna", "bob")}
    for key in ("a", "b", "x"):
        for page, _ in pages.values():
            vote(page, key)
    for name, (page, seen) in pages.items():
        rows = rows_of(session, name)
        assert [row["choice"] == "no_difference" for row in rows] == [False, False, True]
        for row, letter in zip(rows, "ab", strict=False):
            assert row["choice"] == ("candidate" if row["candidate_side"] == letter else "champion")
        assert "not decided yet" in page.locator("#status").inner_text()
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator("#finish").click()
        page.locator("#result").wait_for(state="visible")
        assert "Not enough evidence" in page.locator("#result").inner_text()
        assert page.locator("#trial").is_hidden()
        assert not seen.complaints
        assert all(address.startswith(url) for address in seen.requests)
    page.screenshot(path=artifacts / "listen-result.png", full_page=True)
    assert votes(session).finished_listeners == {"anna", "bob"}
    page.reload()
    page.get_by_label("Your name").fill("bob")
    page.keyboard.press("Enter")
    page.locator("#result").wait_for(state="visible")


def test_defects_are_kept_with_their_side(browser, served):
    session, url = served
    page, seen = begin(browser, url, "carol")
    hear_both(page)
    page.locator("summary").click()
    page.get_by_role("group", name="A", exact=True).get_by_label("cut off").check()
    page.get_by_label("What else is wrong with B").fill("a hum & <b>ab12x</b>")  # keys in a text field do not vote
    page.get_by_role("button", name="No difference").click()
    has_voted(page, 1)
    (row,) = rows_of(session, "carol")
    a, b = ("candidate", "champion") if row["candidate_side"] == "a" else ("champion", "candidate")
    assert (row[f"{a}_defects"], row[f"{b}_defects"], row[f"{b}_other"]) == ("cut_off", "other", "a hum & <b>ab12x</b>")
    assert not page.get_by_label("cut off").first.is_checked()  # the next question starts clean
    assert page.get_by_label("What else is wrong with B").input_value() == ""
    assert not seen.complaints


def test_vote_needs_both_sounds_heard(browser, served):
    session, url = served
    page, _ = begin(browser, url, "dave")
    page.locator("#play-a").click()
    page.locator("#play-a.heard").wait_for(timeout=20_000)
    page.keyboard.press("a")
    assert page.locator("#vote-a").is_disabled()
    page.wait_for_timeout(300)
    assert not rows_of(session, "dave")


def test_invalid_name_is_reported_and_can_be_corrected(browser, served):
    _, url = served
    page = browser.new_page()
    page.goto(url)
    page.get_by_label("Your name").fill("dave@example.org")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for(state="visible")
    assert "no address is needed" in page.get_by_role("alert").inner_text()
    page.get_by_label("Your name").fill("dave")
    page.keyboard.press("Enter")
    page.locator("#trial").wait_for(state="visible")
    assert page.get_by_role("alert").is_hidden()


def test_page_reports_server_that_went_away(browser, store):
    with serving(store, "erin") as (_, url):
        page = browser.new_page()
        page.goto(url)
        page.locator("#trial").wait_for(state="visible")  # the command gave the name, so the page does not ask
        hear_both(page)
    page.keyboard.press("a")
    page.get_by_role("alert").wait_for(state="visible")
    assert "does not answer" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_phone_and_dark_scheme(browser, served, artifacts, width, scheme):
    _, url = served
    page, seen = begin(browser, url, "fay", viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.locator("summary").click()
    page.screenshot(path=artifacts / f"listen-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 38
    background, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert (sum(background) < sum(ink)) == (scheme == "dark")
    assert not seen.complaints
