"""The check: every row is accepted or refused with its reason, whatever it holds, and nothing in it is run."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, date, datetime

import pytest
from campaign_helpers import campaign, checked, consent, reasons, recipient, speaker
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from imports import ROOT

from campaigns.check.files import write_rejects
from campaigns.check.report import CheckReport
from campaigns.check.rows import Check
from campaigns.errors import CampaignError
from campaigns.recipients.reading import recipients_of
from campaigns.records import REASONS, RejectReason, RenderedRow
from gpt_sovits.synthesis.preset import default_preset
from registry.consent.record import Scope

CHINESE = Scope(languages=("zh",), territories=None, commercial=False)


def report_of(rows, settings=None, **changes) -> CheckReport:
    check = Check(settings or campaign(), speaker(**changes))
    for _ in check.rows(recipients_of(rows)):
        pass
    return check.report()


def test_a_row_that_can_be_spoken_has_its_text_and_its_price():
    [row] = checked([recipient(first_name="ANNA")])
    assert isinstance(row, RenderedRow)
    assert row.text == "Hello Anna. Your parcel arrives on March 5, 2026."
    assert row.sentences == ("Hello Anna.", "Your parcel arrives on March 5, 2026.")
    assert (row.recipient_id, row.language, row.opt_in_reference, row.words) == ("r-1", "en", "crm-7", ())
    assert 3 < row.seconds < 6


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (recipient(opt_in_reference=""), "no_opt_in"),
        (recipient(first_name=...), "unknown_variable"),
        (recipient(first_name=" "), "missing_variable"),
        (recipient(day="tomorrow"), "unreadable_value"),
        (recipient(first_name="Вера"), "wrong_language"),
        (recipient(language="zh"), "wrong_language"),
        (recipient(language="tlh"), "wrong_language"),
        (recipient(first_name="x" * 1999), "text_too_long"),
        (recipient(recipient_id="../etc"), "invalid_id"),
    ],
)
def test_a_row_that_fails_has_its_reason_and_stops_no_other(row, reason):
    found = checked([row, recipient(2)], campaign(max_characters=1000))
    assert reasons(found) == [reason, None]


def test_a_text_with_nothing_to_say_is_unspeakable():
    rows = [recipient(number, first_name=text) for number, text in enumerate(["🙂", "...", "4071"])]
    assert reasons(checked(rows, campaign(template="{{ first_name }}"))) == [
        "unspeakable_text",
        "unspeakable_text",
        None,
    ]


@pytest.mark.parametrize(
    ("settings", "changes", "reason"),
    [
        (campaign(expires_at=datetime(2020, 1, 1, tzinfo=UTC)), {}, "expired"),
        (
            campaign(),
            {"consent": consent(scope=Scope(languages=("zh",), territories=None, commercial=False))},
            "consent",
        ),
    ],
)
def test_what_the_campaign_lacks_refuses_every_row(settings, changes, reason):
    assert reasons(checked([recipient(1), recipient(2)], settings, **changes)) == [reason, reason]


def test_the_words_of_the_lexicon_that_are_in_a_row_go_with_it_and_into_its_hash():
    words = {"en": {"Siobhan": "SH AH0 V AO1 N", "ravi": "R AA1 V IY0"}}
    rows = [recipient(1, first_name="Siobhan"), recipient(2, first_name="RAVI"), recipient(3)]
    plain, with_words = checked(rows), checked(rows, campaign(lexicon=words))
    assert [row.words for row in with_words] == [
        (("en", "Siobhan", "SH AH0 V AO1 N"),), (("en", "ravi", "R AA1 V IY0"),), (),
    ]  # fmt: skip
    assert [a.row_sha256 == b.row_sha256 for a, b in zip(plain, with_words, strict=True)] == [False, False, True]


def test_a_wrong_lexicon_or_template_is_refused_as_a_whole():
    for settings in (campaign(lexicon={"en": {"a": "XYZ"}}), campaign(template="{{ x.y }}")):
        with pytest.raises(CampaignError):
            Check(settings, speaker())


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"format": "wav"}, {"loudness_lufs": -16}, {"disclosure": "By a computer."}]
)
def test_what_decides_the_file_decides_the_hash_of_the_row(change):
    assert checked([recipient()])[0].row_sha256 != checked([recipient()], campaign(**change))[0].row_sha256
    assert checked([recipient()])[0].row_sha256 == checked([recipient()], campaign(max_attempts=9))[0].row_sha256


def test_rows_of_several_languages_are_read_in_theirs():
    template = "{% if language == 'zh' %}你好，{{ name }}。{{ day | date }}{% else %}Hello {{ name }}.{% endif %}"
    preset = default_preset("en", 0.08).model_copy(update={"other_languages": ("zh",)})
    rows = [recipient(1, name="Anna"), recipient(2, name="王芳", language="zh-CN"), recipient(3, name="王芳")]
    found = checked(rows, campaign(template=template), preset=preset, languages=("en", "zh"))
    assert reasons(found) == [None, None, "wrong_language"]
    assert (found[1].language, found[1].text) == ("zh", "你好，王芳。2026年3月5日")


def test_the_report_counts_rows_reasons_and_what_has_to_be_spoken():
    rows = [
        recipient(1),
        recipient(2, first_name="Bob"),
        recipient(2),
        recipient(4, day="?", extra="x"),
        recipient(5, day="?"),
    ]
    report = report_of(rows)
    assert not report.has_passed
    assert (report.n_rows, report.n_accepted) == (5, 2)
    assert report.n_rejected == {RejectReason.UNREADABLE_VALUE: 2, RejectReason.DUPLICATE_ID: 1}
    assert [row.line for row in report.examples[RejectReason.UNREADABLE_VALUE]] == [4, 5]
    assert (report.n_sentences, report.n_distinct_sentences) == (4, 3)
    assert report.seconds_to_speak < report.seconds_of_audio
    assert report.unused_columns == ("extra",)
    assert json.loads(json.dumps(report.to_json()))["rejects"][0]["n_rows"] == 2
    assert report_of([recipient()]).has_passed
    assert not report_of([]).has_passed


def test_every_reason_says_what_to_do_and_is_documented():
    assert set(REASONS) == set(RejectReason)
    documented = (ROOT / "docs/campaigns.md").read_text(encoding="utf-8")
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in documented


def test_rejects_are_written_so_that_no_spreadsheet_runs_them(tmp_path):
    [row] = checked([recipient(day="=cmd|' /C calc'!A0")])
    with write_rejects(tmp_path / "rejects.csv") as write:
        write(row)
    lines = (tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "line,recipient_id,reason,message"
    assert lines[1].startswith("1,r-1,unreadable_value,")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in lines[1].split(","))


SIGNS = [
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "\u202eabc",
    "a\x00b",
    "\u200b",
    "../../etc/passwd",
    "\ud800",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "'; DROP TABLE rows; --",
    "\ue000",
    "%s%s%n",
    "\x1b[31m",
    "+1-2",
    "@SUM(A1)",
    "|rm -rf /",
    "`id`",
    "$(id)",
    "x" * 1_000_000,
]
FIELDS = [
    "recipient_id",
    "first_name",
    "day",
    "language",
    "opt_in_reference",
    "__class__",
    "self",
    "a.b",
    "recipient_id ",
    "x" * 70,
]
HOSTILE = [recipient(number, **{field: sign}) for number, (field, sign) in enumerate(itertools.product(FIELDS, SIGNS))]


def test_200_hostile_rows_are_refused_or_said_as_text_and_never_run():
    assert len(HOSTILE) == 200
    begin = time.process_time()
    found = checked(HOSTILE)
    assert time.process_time() - begin < 5
    for row, entry in zip(HOSTILE, found, strict=True):
        assert entry.line
        if isinstance(entry, RenderedRow):
            assert "49" not in entry.text and "<class" not in entry.text
            assert "/" not in entry.recipient_id and len(entry.recipient_id) <= 128
        else:
            assert "\x00" not in entry.message and "\u202e" not in entry.message and len(entry.message) < 600
        if entry.recipient_id is not None:
            assert entry.recipient_id == row["recipient_id"]


CELLS = st.text(max_size=20) | st.sampled_from(["a", "en", "2026-01-01"])


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS[:5]), CELLS), max_size=6))
def test_any_rows_give_one_outcome_each_in_order(rows):
    found = checked(rows)
    assert [row.line for row in found] == list(range(1, len(rows) + 1))
    accepted = [row.recipient_id for row in found if isinstance(row, RenderedRow)]
    assert len(accepted) == len(set(accepted))


def test_2000_rows_are_checked_at_more_than_500_per_second():
    names = ("Anna", "Bob", "Carlos", "Dmitri", "Eleanor")
    rows = (
        recipient(n, first_name=f"{names[n % 5]} {n % 50}", day=date(2026, 1 + n % 12, 1 + n % 28).isoformat())
        for n in range(2000)
    )
    check = Check(campaign(), speaker())
    list(check.rows(recipients_of([recipient(9_999)])))  # the dictionary of the front end is loaded once
    begin = time.process_time()
    n_accepted = sum(isinstance(row, RenderedRow) for row in check.rows(recipients_of(rows)))
    assert n_accepted == 2000
    assert 2000 / (time.process_time() - begin) > 500
