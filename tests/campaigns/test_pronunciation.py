"""Names that are misread are found, homophones are not, and chance is said.

The voice and the judge of these tests are tables: what is said is a number in the samples.
`test_campaign_commands` lets a voice say names and Whisper hear them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from campaign_helpers import campaign, recipient, speaker
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from imports import ROOT

from campaigns.check.rows import Check
from campaigns.pronunciation.findings import Status, chance_of, judge_name
from campaigns.pronunciation.hearing import Hearing, Match, compare, replaced_part
from campaigns.pronunciation.listening import listen_to_names
from campaigns.pronunciation.prompts import PROMPTS
from campaigns.pronunciation.sampling import Name, sample_names
from campaigns.recipients.reading import recipients_of
from flows import run_campaign
from flows.campaign_commands import campaign as commands
from flows.commands import campaign_pronounce

EN = PROMPTS["en"]


def name(text, **changes):
    return Name(**({"text": text, "language": "en", "variable": "first_name", "n_rows": 1, "is_known": True} | changes))


class Judge:
    """Hears what the samples of `say` are about, or what a table says instead."""

    name, version, languages = "table", "1", ("en",)

    def __init__(self, mishears=()):
        self.mishears, self.said = dict(mishears), []

    def say(self, texts, seeds, language, words):
        first = len(self.said)
        self.said += texts
        return [np.full(100, number, np.float32) for number in range(first, len(self.said))], 16_000

    def transcribe(self, waveform, sample_rate, language):
        text = self.said[int(waveform[0])]
        for right, wrong in self.mishears.items():
            text = text.replace(right, wrong)
        return text


@pytest.mark.parametrize(
    ("heard", "words", "match"),
    [
        ("We have a message for John who is waiting for it", "john", Match.WRITTEN),
        ("We have a message for Jon, who is waiting for it.", "jon", Match.SOUNDS_ALIKE),
        ("We have a message for Tom, who's waiting for it.", "tom", Match.OTHER),
        ("We have a message for, who is waiting for it.", "", Match.OTHER),
        ("", "", Match.OTHER),
        ("We have a massage for John Jon who is waiting for it.", "john jon", Match.OTHER),
    ],
)
def test_what_is_heard_in_the_place_of_a_name_is_compared_by_sound(heard, words, match):
    hearing = compare("John", heard, EN, "en", None)
    assert (hearing.heard, hearing.match) == (words, match)


def test_names_in_chinese_are_compared_by_sound_too():
    prompt = PROMPTS["zh"]
    assert compare("张伟", prompt.text("章炜"), prompt, "zh", None) == Hearing("章炜", Match.SOUNDS_ALIKE)
    assert compare("张伟", prompt.text("李娜"), prompt, "zh", None).match is Match.OTHER


@given(*[st.lists(st.sampled_from("abcd"), max_size=5)] * 3)
def test_all_of_a_name_that_is_heard_well_is_in_its_place(before, middle, after):
    assert replaced_part([before, middle, after], [*before, *middle, *after]) == middle


@pytest.mark.parametrize(
    ("matches", "is_known", "rate", "status"),
    [
        (["written", "other", "written"], True, 0.3, Status.RIGHT),
        (["sounds_alike", "sounds_alike", "other"], True, 0.1, Status.RIGHT),
        (["other", "other", "other"], True, 0.1, Status.MISREAD),
        (["other", "other", "other"], False, 0.1, Status.MISREAD),
        (["other", "other", "other"], True, 0.5, Status.UNSURE),
        (["other"], True, 0.1, Status.UNSURE),
        (["sounds_alike", "sounds_alike", "other"], False, 0.1, Status.GUESSED),
        (["written", "other", "other"], True, 0.1, Status.UNSURE),
    ],
)
def test_a_name_is_misread_only_where_chance_does_not_explain_it(matches, is_known, rate, status):
    hearings = [Hearing("x", Match(match)) for match in matches]
    assert judge_name(name("Ann", is_known=is_known), hearings, control_rate=rate, phonemes="").status is status


def test_chance_is_a_binomial_tail():
    assert chance_of(3, 3, 0.1) == pytest.approx(0.001)
    assert chance_of(2, 3, 0.5) == pytest.approx(0.5)
    assert chance_of(0, 3, 0.5) == 1.0


def test_names_that_no_dictionary_has_are_said_first_and_known_ones_by_their_number():
    names = ["Anna", "Bob", "Bob", "Xqzvia", "SIOBHAN", "Wrzesniewski", "Wrzesniewski", "7", "1984", "x" * 70]
    rows = [recipient(number, first_name=text) for number, text in enumerate(names)]
    settings = campaign(lexicon={"en": {"xqzvia": "Z AY1 AH0"}})
    check = Check(settings, speaker())
    found = sample_names(check, recipients_of([*rows, recipient(99, first_name="Nobody", day="?")]), most=4)
    assert [(each.text, each.n_rows, each.is_known) for each in found][:2] == [
        ("Wrzesniewski", 2, False),
        ("Bob", 2, True),
    ]
    assert "Nobody" not in [each.text for each in found]
    assert check.report().n_rows == 11


def test_only_columns_that_are_said_as_names_are_sampled():
    template = "{{ a }} {{ b | name }} {{ c | date }} {{ 'x' if d == 'y' else e | default(f) }} {{ g | digits }}"
    assert Check(campaign(template=template), speaker()).name_variables == ("a", "b", "e", "f")


def test_misread_names_are_listed_with_what_was_heard_and_how_sure_that_is():
    judge = Judge({"Nguyen": "thank you", "John": "Jon"})
    check = Check(campaign(), speaker())
    names = [name("Nguyen"), name("John"), name("王", language="zh")]
    report = listen_to_names(check, names, judge.say, judge, n_readings=3)
    assert [(finding.name.text, finding.status) for finding in report.findings] == [
        ("Nguyen", Status.MISREAD), ("John", Status.RIGHT),
    ]  # fmt: skip
    [misread] = report.with_status(Status.MISREAD)
    assert misread.heard == "thank you"
    assert misread.chance == pytest.approx(report.control_rates["en"] ** 3)
    assert report.unheard_languages == ("zh",)
    assert report.to_json()["names"][0]["status"] == "misread"


def test_a_judge_that_hears_nothing_calls_no_name_misread():
    judge = Judge({"We": "", "message": "mess"})
    judge.transcribe = lambda waveform, sample_rate, language: ""
    report = listen_to_names(Check(campaign(), speaker()), [name("John")], judge.say, judge)
    assert [finding.status for finding in report.findings] == [Status.UNSURE]
    assert report.expected_false_alarms > 0.8


@pytest.mark.parametrize(("mishears", "n_runs"), [({"John": "thank you"}, 0), ({}, 1)])
def test_a_campaign_with_a_misread_name_is_not_spoken(tmp_path: Path, monkeypatch, mishears, n_runs):
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "campaign.yaml").touch()
    monkeypatch.chdir(tmp_path)
    judge, runs = Judge(mishears), []
    report = listen_to_names(Check(campaign(), speaker()), [name("John")], judge.say, judge, n_readings=3)
    monkeypatch.setattr(campaign_pronounce, "pronunciation_of", lambda *_, **__: report)
    monkeypatch.setattr(run_campaign, "run_to_end", lambda request: runs.append(request.file))
    result = CliRunner().invoke(commands, ["run", "campaign.yaml", "--hear-names"], standalone_mode=False)
    assert (result.return_value, len(runs)) == (2, n_runs)
    assert ("nothing was spoken" in result.output) == (n_runs == 0)
