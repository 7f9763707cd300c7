"""JUnit XML: a case per rule, with the reason code as its type."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from release_helpers import language_rules, language_scores, make_verdict, policy, scorecard

from registry.verdicts.junit import to_junit, unmeasured_junit
from registry.verdicts.store import save_verdict


def test_whole_verdict_has_a_junit_case_for_each_metric_and_slice(whole):
    suites = ElementTree.fromstring(to_junit(whole).encode())
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert list(cases) == [
        "threshold wer",
        "threshold similarity as ratio to recordings",
        "threshold wer, category everyday",
        "threshold wer, category long",
        "not worse wer",
        "not worse similarity",
        "better wer",
        "regressed prompts",
        "votes",
        "slice category names",
        "verdict",
    ]
    assert cases["slice category names"].find("skipped").get("message") == "3 prompts of 5"
    assert cases["regressed prompts"].find("failure").text == "1 regressed, 0 allowed: p004"
    assert cases["votes"].find("failure").get("message") == "votes: listeners prefer the champion"
    assert cases["threshold wer"].find("failure") is None
    assert cases["regressed prompts"].find("failure").get("type") == "prompts_regressed"
    assert cases["votes"].find("failure").get("type") == "listeners_prefer_champion"
    assert cases["verdict"].find("failure").get("type") == whole.verdict.decision.reasons[0].code
    assert_is_junit(suites)


def test_each_language_has_cases_of_its_own(bare_store):
    rules = policy(other_languages={"zh": language_rules()})
    zh, ja = language_scores("zh", wer=0.6), language_scores("ja")
    verdict = make_verdict(
        scorecard(other_languages=(ja, zh)), scorecard(other_languages=(language_scores("zh", wer=0.1),)), rules
    )
    suites = ElementTree.fromstring(to_junit(save_verdict(bare_store, verdict)).encode())
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert len(cases) == len(list(suites.iter("testcase")))
    assert cases["threshold wer"].find("failure") is None
    assert cases["threshold wer, language zh"].find("failure").get("type") == "threshold_missed"
    assert cases["not worse wer, language zh"].find("failure").get("type") == "worse_than_champion"
    assert cases["language ja"].find("failure").get("type") == "language_without_rules"


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_junit_has_the_structure_that_readers_expect(bare_store, outcome):
    signed = save_verdict(bare_store, make_verdict(scorecard(wer=0.1 if outcome == "pass" else 0.9), scorecard()))
    assert_is_junit(ElementTree.fromstring(to_junit(signed).encode()))
    assert_is_junit(ElementTree.fromstring(unmeasured_junit("anna", "no scores").encode()))


def assert_is_junit(suites: ElementTree.Element) -> None:
    """Check what readers of JUnit XML agree on: elements, attributes, and counts that are true."""
    assert suites.tag == "testsuites" and set(suites.attrib) == {"tests", "failures", "errors"}
    for suite in suites:
        assert suite.tag == "testsuite" and set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped"}
        ends = []
        names = [case.get("name") for case in suite]
        assert len(names) == len(set(names)), "a reader shows one case a name"
        for case in suite:
            assert case.tag == "testcase" and set(case.attrib) == {"name", "classname"} and all(case.attrib.values())
            (child,) = case
            assert child.tag in {"failure", "error", "skipped", "system-out"}
            ends.append(child.tag)
            if child.tag != "system-out":
                assert child.get("message")
        counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        assert {name: int(suite.get(name)) for name in counts} == {n: ends.count(tag) for n, tag in counts.items()}
        assert int(suite.get("tests")) == len(names) == int(suites.get("tests"))


def test_junit_counts_what_failed(bare_store):
    text = to_junit(save_verdict(bare_store, make_verdict(scorecard(wer=0.9), scorecard(wer=0.2))))
    suites = ElementTree.fromstring(text.encode())
    assert (suites.tag, suites.get("tests"), suites.get("failures"), suites.get("errors")) == (
        "testsuites", "6", "3", "0"
    )  # fmt: skip
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert set(cases) == {
        "threshold wer",
        "threshold similarity",
        "threshold failed_share",
        "not worse wer",
        "not worse similarity",
        "verdict",
    }
    assert cases["threshold wer"].find("failure").get("message") == "wer missed its threshold"
    assert cases["threshold similarity"].find("failure") is None
    assert (
        cases["verdict"]
        .find("failure")
        .text.startswith("misread words (+0.700 per word): threshold missed: word error rate")
    )


def test_junit_of_what_could_not_be_measured_is_an_error_and_valid_xml():
    suites = ElementTree.fromstring(unmeasured_junit("anna", 'no scores for <p001> & "x" \x00\x1b').encode())
    assert (suites.get("errors"), suites.get("failures")) == ("1", "0")
    assert suites.find(".//error").text == 'no scores for <p001> & "x" ??'
