"""The page and its Markdown say what the tables say, and nothing in a table becomes markup."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest
from card_helpers import VoiceOnDisk, aligned, cut, recording
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import ROOT

from stages.card.advice.advice import Advice
from stages.card.card import make_card
from stages.card.facts.inputs import load_tables
from stages.card.pages.markdown import card_markdown, card_summary, escape, table
from stages.card.pages.page import render_card
from stages.params import load_params
from stages.tables import Reject

PARAMS = load_params(ROOT / "params.yaml")
EVIL = "<script>alert(1)</script> \"'`|*_[x](http://a) &amp; 💥"


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)  # the prompts and the curves are named relative to it


@pytest.fixture
def evil(tmp_path):
    """A voice whose every text comes from somebody who wants to write into the page."""
    on_disk = VoiceOnDisk(
        tmp_path,
        recordings=[recording(i, path=f"wavs/{EVIL}.flac") for i in range(2)],
        ingest_rejects=[Reject(path=EVIL, reason=EVIL, seconds=9.0)],
        clips=[cut(0), cut(1)],
        aligned=[aligned(0, f"Go {EVIL}", asr_text=EVIL), aligned(1, "Go.", reason=EVIL, asr_text=EVIL)],
    )
    folders = on_disk.write()
    return make_card(load_tables("anna", folders), PARAMS), folders


def test_nothing_in_the_tables_becomes_markup_of_the_page(evil):
    card, folders = evil
    page = render_card(card, folders)
    assert page.count("<script>") == 1 and "alert(1)" in html.unescape(page) and "<script>alert" not in page


def test_the_page_forbids_everything_but_itself(evil):
    page = render_card(*evil)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert policy.endswith("media-src data:") and "http:" not in html.unescape(page).replace("(http://a)", "")


def test_nothing_in_the_tables_becomes_markup_of_the_markdown(evil):
    text = card_markdown(evil[0])
    assert "<" not in text and "[x](" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) in (4, 5, 6, 7) for row in rows)


def test_a_command_in_an_advice_is_shown_as_code(evil):
    card, folders = evil
    text = "Run `vox review my_voice` for “`x` <b>`vox” and   *more*."
    card = dataclasses.replace(card, advice=[Advice(rule_id="review", text=text, rule="always")])
    page, markdown = render_card(card, folders), card_markdown(card)
    assert "Run <code>vox review my_voice</code> for “`x` &lt;b&gt;`vox” and" in page
    assert "1. Run `vox review my_voice` for “\\`x\\` &lt;b&gt;\\`vox” and \\*more\\*.\n" in markdown


def test_the_summary_is_the_head_of_the_markdown(evil):
    card, _ = evil
    assert card_markdown(card).startswith(card_summary(card).rstrip())


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_cell_stays_one_cell_whatever_its_text(text):
    _, _, row, _ = table(("a", "b"), [(text, "end")])
    assert "\n" not in row and len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
    assert "<" not in escape(text)
