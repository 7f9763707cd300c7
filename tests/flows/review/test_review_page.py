"""The page of `vox review` in a real browser: every action with keys, and the rows that it leaves."""

from __future__ import annotations

import pytest
from browser import wait_for, watch
from review_helpers import TEXTS, VOICE, clips_of, decisions_of, reviewing, rows_of


def begin(browser, url, **options):
    """Return the page with its first clip, and what the browser reports about it."""
    page = browser.new_page(**options)
    seen = watch(page)
    page.goto(url)
    shown(page)
    return page, seen


def shown(page, text=None):
    """Wait until a clip is open, with its sound."""
    wait_for(page, "document.querySelector('#clip').dataset.shown === current && !busy")
    if text is not None:
        wait_for(page, f"document.querySelector('#text').value === {text!r}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def filter_to(page, name):
    page.locator("#chips button", has_text=name).click()
    shown(page)


def listed(page):
    return page.locator("#list .said").all_text_contents()  # rows out of sight have no inner text


def test_the_worst_clips_come_first_and_every_decision_is_a_key(browser, address, project, artifacts):
    page, seen = begin(browser, address)
    assert listed(page) == ["<b>Nobody</b> said this & that.", TEXTS[5]]  # a script or a tag in a text is text
    assert page.locator("#reason").inner_text().startswith("character error rate above")

    press(page, "Enter", "Control+a")
    page.keyboard.type(TEXTS[7] + " dks")  # keys in the text do not decide
    press(page, *["Backspace"] * 4, "Enter")
    shown(page, TEXTS[5])
    press(page, "c")
    wait_for(page, "!busy && clips.filter((clip) => clip.decided).length === 2")

    filter_to(page, "Kept")
    page.locator("#order").select_option("time")
    page.locator("#list button").first.click()
    shown(page, TEXTS[0])
    press(page, "d")
    shown(page, TEXTS[5])
    page.locator("#list button").first.click()
    shown(page, TEXTS[0])
    press(page, "k")
    wait_for(page, "!busy && details.verdict === 'restore'")
    press(page, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "s")
    shown(page, " ".join(TEXTS[0].split()[:3]))
    press(page, "m")
    shown(page, TEXTS[0])
    press(page, "u")
    shown(page, " ".join(TEXTS[0].split()[:3]))
    page.screenshot(path=artifacts / "review-decisions.png")
    actions = [action for action, *_ in decisions_of(project)]
    assert actions == ["text", "text", "drop", "restore", "split", "merge", "undo"]
    assert [row.text for row in rows_of(project)[:2]] == [TEXTS[7], TEXTS[5]]
    assert "vox run anna" in page.locator("#pending").inner_text()
    assert not seen.complaints
    assert all(one.startswith(address) for one in seen.requests)


RECORD_PLAYS = """(() => {
  const play = timeline.play.bind(timeline);
  window.plays = [];
  timeline.play = (...range) => { window.plays.push(range); play(...range); };
})()"""


def test_a_word_is_heard_by_click_and_by_key(browser, address):
    page, seen = begin(browser, address)
    page.evaluate(RECORD_PLAYS)
    words = page.evaluate("details.words")
    page.locator(".word").nth(2).click()
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    played = [[words[index][1], words[index][2]] for index in (2, 3, 4, 3)]
    assert page.evaluate("window.plays") == played
    assert page.evaluate("timeline.cursor") == pytest.approx((words[2][2] + words[3][1]) / 2)
    wait_for(page, "!timeline.playing")  # a word ends by itself
    page.locator("#picture").click(position={"x": 200, "y": 60})
    cursor = page.evaluate("timeline.cursor")
    assert page.evaluate("window.plays.at(-1)[0]") == cursor and 0.5 < cursor < words[-1][2]
    assert not seen.complaints


def test_the_clip_plays_with_a_line_and_its_words_and_stops(browser, address):
    page, seen = begin(browser, address)
    press(page, "Space")
    wait_for(page, "document.querySelector('.word.now') && !document.querySelector('#playhead').hidden")
    assert page.locator("#play").inner_text().startswith("■ Stop")
    press(page, "Space")
    assert not page.evaluate("timeline.playing") and page.locator("#playhead").is_hidden()
    assert not seen.complaints


def test_what_the_sound_says_can_be_taken_over(browser, address, project):
    page, _ = begin(browser, address)
    press(page, "ArrowDown")
    shown(page, TEXTS[5])
    assert "but the sound says other" in page.locator("#doubts").inner_text()
    page.get_by_role("button", name="Use what is heard").click()
    press(page, "Enter")
    wait_for(page, "!busy && clips.some((clip) => clip.decided)")
    word = TEXTS[5].split()[2]
    assert rows_of(project)[0].text == TEXTS[5].replace(word, "other", 1)


def test_escape_leaves_a_text_as_it_was(browser, address, project):
    page, _ = begin(browser, address)
    text = page.locator("#text").input_value()
    press(page, "Enter")
    page.keyboard.type("something")
    press(page, "Escape")
    assert page.locator("#text").input_value() == text
    press(page, "Enter", "Control+a", "Delete", "Enter")
    page.get_by_role("alert").wait_for(state="visible")
    assert "empty" in page.get_by_role("alert").inner_text()
    assert rows_of(project) == []


def test_filters_search_and_reasons(browser, address):
    page, _ = begin(browser, address)
    press(page, "f")
    assert len(listed(page)) == 4
    page.locator("#reasons").select_option(index=1)
    assert listed(page) == ["<b>Nobody</b> said this & that."]
    page.locator("#reasons").select_option(index=0)
    press(page, "/")
    page.keyboard.type(TEXTS[2][:12])
    assert listed(page) == [TEXTS[2]]
    press(page, "Escape")
    page.locator("#search").fill("nothing like this")
    assert page.locator("#empty").is_visible()
    press(page, "Escape", "?")
    assert page.locator("#keys").is_visible()


def test_two_open_pages_see_each_others_decisions(browser, address, project):
    page, _ = begin(browser, address)
    with reviewing(project, "bob") as (_, other):
        second, _ = begin(browser, other)
        press(page, "d")
        shown(page, TEXTS[5])
        press(second, "c")  # of the clip that anna has dropped
        second.get_by_role("alert").wait_for(state="visible")
        assert "anna decided about this clip meanwhile" in second.get_by_role("alert").inner_text()
        wait_for(second, "!busy && details.verdict === 'drop'")
        press(second, "k")
        wait_for(second, "!busy && details.verdict === 'restore'")
    page.evaluate("load()")
    wait_for(page, "clips.find((clip) => clip.text.includes('Nobody')).kept")
    assert [(row.action, row.by) for row in rows_of(project)] == [("drop", "anna"), ("restore", "bob")]


def test_a_text_that_was_typed_is_kept_where_another_page_was_faster(browser, address, project):
    page, _ = begin(browser, address)
    press(page, "Enter", "Control+a")
    page.keyboard.type("My words.")
    clip = next(clip for clip in clips_of(address) if not clip["kept"])
    page.request.post(
        f"{address}decide", data={"key": clip["key"], "revision": page.evaluate("details.revision"), "action": "drop"}
    )
    press(page, "Enter")
    page.get_by_role("alert").wait_for(state="visible")
    wait_for(page, "!busy && details.verdict === 'drop'")
    assert page.locator("#text").input_value() == "My words."
    press(page, "Enter")
    wait_for(page, "!busy && clips.some((clip) => clip.text === 'My words.' && clip.kept)")
    assert [row.action for row in rows_of(project)] == ["drop", "text"]


def decide(page, address, clip, action, **more):
    """Decide about a clip as another page does."""
    revision = page.request.get(f"{address}clip", params={"key": clip["key"]}).json()["revision"]
    answer = page.request.post(
        f"{address}decide", data={"key": clip["key"], "revision": revision, "action": action, **more}
    )
    assert answer.ok, answer.text()


def test_a_text_that_is_typed_stays_while_other_clips_are_cut_and_decided(browser, address, project):
    page, seen = begin(browser, address)
    page.locator("#list button").nth(1).click()
    shown(page, TEXTS[5])
    press(page, "Enter", "Control+a")
    page.keyboard.type("My wor")
    gone = next(clip for clip in clips_of(address) if not clip["kept"])
    decide(page, address, gone, "split", at=1.0)
    page.evaluate("load()")
    shown(page)
    page.keyboard.type("ds")
    own = next(clip for clip in clips_of(address) if clip["text"] == TEXTS[5])
    decide(page, address, own, "drop")  # it no longer fits the filter
    decide(page, address, next(clip for clip in clips_of(address) if clip["start"] == gone["start"]), "merge")
    page.evaluate("load()")
    wait_for(page, "!busy && details.verdict === 'drop'")
    page.keyboard.type(".")
    assert page.locator("#text").input_value() == "My words."
    assert "not saved yet" in page.locator("#source").inner_text()
    press(page, "Enter")
    wait_for(page, "!busy && clips.some((clip) => clip.text === 'My words.' && clip.kept)")
    assert [(row.action, row.start) for row in rows_of(project)][-1] == ("text", pytest.approx(own["start"]))
    assert not seen.complaints


def test_a_text_that_was_not_saved_is_there_when_its_clip_is_opened_again(browser, address, project):
    page, _ = begin(browser, address)
    text = page.locator("#text").input_value()
    press(page, "Enter", "Control+a")
    page.keyboard.type("My words.")
    page.locator("#list button").nth(1).click()
    shown(page, TEXTS[5])
    page.locator("#list button").first.click()
    shown(page, "My words.")
    for key in "sm":  # these would take the old text
        press(page, key)
        assert "is not saved" in page.get_by_role("alert").inner_text()
    press(page, "Enter", "Escape", "ArrowDown")
    shown(page, TEXTS[5])
    press(page, "ArrowUp")
    shown(page, text)
    assert rows_of(project) == []


def test_a_text_whose_clip_is_cut_anew_is_neither_lost_nor_written_to_another(browser, address, project):
    page, _ = begin(browser, address)
    press(page, "Enter", "Control+a")
    page.keyboard.type("My wor")
    own = next(clip for clip in clips_of(address) if not clip["kept"])
    decide(page, address, own, "split", at=1.0)
    page.evaluate("load()")
    page.get_by_role("alert").wait_for(state="visible")
    page.keyboard.type("ds.")
    press(page, "Enter")
    wait_for(page, "!busy")
    assert page.locator("#text").input_value() == "My words."
    assert "cut anew" in page.get_by_role("alert").inner_text()
    assert [row.action for row in rows_of(project)] == ["split"]
    page.locator("#list button").last.click()
    shown(page)
    assert page.locator("#text").input_value() != "My words."
    assert page.locator("#notes li").all_inner_texts()[-1].endswith("its clip was cut anew: My words.")
    assert page.get_by_role("alert").is_hidden()
    decide(page, address, next(clip for clip in clips_of(address) if clip["start"] == own["start"]), "merge")
    page.evaluate("load()")
    wait_for(page, f"clips.some((clip) => clip.key === {own['key']!r})")
    page.evaluate(f"open({own['key']!r})")
    shown(page, "My words.")
    assert page.locator("#notes").is_hidden()


def test_the_page_says_that_the_server_went_away(browser, project):
    with reviewing(project) as (_, url):
        page, _ = begin(browser, url)
    press(page, "d")
    page.get_by_role("alert").wait_for(state="visible")
    assert "does not answer" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_phone_and_dark_scheme(browser, address, artifacts, width, scheme):
    page, seen = begin(browser, address, viewport={"width": width, "height": 844}, color_scheme=scheme)
    press(page, "ArrowDown")
    shown(page, TEXTS[5])
    page.screenshot(path=artifacts / f"review-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("button:visible:not(.word)").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 37
    background, ink = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert (sum(background) < sum(ink)) == (scheme == "dark")
    assert not seen.complaints


@pytest.mark.slow
def test_a_voice_with_ten_thousand_clips_opens_at_once(browser, project):
    from stages.tables import AlignedClip, Clip, read_table, write_table

    cut = read_table(project / "data/2_clips" / VOICE / "clips.jsonl", Clip)[-1]
    aligned = read_table(project / "data/3_aligned" / VOICE / "clips.jsonl", AlignedClip)[-1]
    ids = [f"{cut.recording_id}-{index:05d}" for index in range(10_000)]
    cuts = [
        cut.model_copy(update={"clip_id": name, "start": 3.0 * index, "end": 3.0 * index + 2.9})
        for index, name in enumerate(ids)
    ]
    write_table(project / "data/2_clips" / VOICE / "clips.jsonl", cuts)
    rows = [aligned.model_copy(update={"clip_id": name}) for name in ids]
    write_table(project / "data/3_aligned" / VOICE / "clips.jsonl", rows)
    with reviewing(project) as (_, url):
        page, _ = begin(browser, url)
        assert page.locator("#list li").count() == 200
        press(page, "d")
        wait_for(page, "!busy && clips.filter((clip) => clip.decided).length === 1")
        assert page.evaluate("clips.length") == 10_000
