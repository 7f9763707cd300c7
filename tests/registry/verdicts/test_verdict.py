"""Verdicts: signed, stored, found again, and shown to people and CI."""

from __future__ import annotations

import json
import re
import sqlite3
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import pytest
from release_helpers import held_out, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate import judge
from registry.gate.preference import PreferenceVotes
from registry.storage.store import Store
from registry.verdicts import render
from registry.verdicts.store import SignedVerdict, VerdictError, newest_verdict, save_verdict, verdict_by_sha256
from registry.verdicts.verdict import Subject, Verdict

CANDIDATE_ID = "1" * 64


def subject(version: int, candidate_id: str = CANDIDATE_ID) -> Subject:
    return Subject(version=version, candidate_id=candidate_id, weights_sha256="2" * 64, scores_sha256="3" * 64)


def verdict(candidate: Scorecard, champion: Scorecard | None = None) -> Verdict:
    decision = judge(candidate, champion, policy(), first_release=champion is None)
    reigning = subject(1, "9" * 64) if champion else None
    return Verdict(voice="anna", candidate=subject(2), champion=reigning, decision=decision)


def edit(store: Store, statement: str) -> None:
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute(statement)
    connection.close()


def test_exit_codes_are_those_of_the_design():
    assert verdict(scorecard()).exit_code == 0
    assert verdict(scorecard(wer=0.9)).exit_code == 1
    few = [utterance(p, s, 2 if p % 5 == 0 else 1) for p in range(20) for s in (0, 1)]
    assert verdict(scorecard(rows=few), scorecard(wer=0.1)).exit_code == 3


def test_saved_verdict_is_found_equal_by_candidate_and_by_hash(bare_store):
    saved = save_verdict(bare_store, verdict(scorecard(), scorecard(wer=0.2)))
    assert newest_verdict(bare_store, "anna", CANDIDATE_ID) == saved
    assert verdict_by_sha256(bare_store, saved.sha256) == saved
    assert newest_verdict(bare_store, "anna", "0" * 64) is None
    assert newest_verdict(bare_store, "bob", CANDIDATE_ID) is None


def test_no_database_holds_no_verdict(bare_store):
    assert newest_verdict(bare_store, "anna", CANDIDATE_ID) is None


def test_same_verdict_again_is_stored_once_and_another_one_is_newer(bare_store):
    first = save_verdict(bare_store, verdict(scorecard()))
    assert save_verdict(bare_store, verdict(scorecard())) == first
    second = save_verdict(bare_store, verdict(scorecard(wer=0.9)))
    assert newest_verdict(bare_store, "anna", CANDIDATE_ID) == second
    assert verdict_by_sha256(bare_store, first.sha256) == first


def test_verdict_changed_from_fail_to_pass_is_found(bare_store):
    save_verdict(bare_store, verdict(scorecard(wer=0.9)))
    edit(bare_store, """UPDATE voxfoundry_verdicts SET payload = replace(payload, '"fail"', '"pass"')""")
    with pytest.raises(VerdictError, match="was changed after it was signed"):
        newest_verdict(bare_store, "anna", CANDIDATE_ID)


def test_verdict_with_a_new_hash_but_the_old_signature_is_found(bare_store):
    save_verdict(bare_store, verdict(scorecard(wer=0.9)))
    other = verdict(scorecard())
    edit(bare_store, f"UPDATE voxfoundry_verdicts SET payload = '{other.payload()}', sha256 = '{other.sha256()}'")
    with pytest.raises(VerdictError, match="signature does not fit"):
        newest_verdict(bare_store, "anna", CANDIDATE_ID)


def test_verdict_filed_under_another_candidate_is_found(bare_store):
    save_verdict(bare_store, verdict(scorecard()))
    edit(bare_store, f"UPDATE voxfoundry_verdicts SET candidate_id = '{'4' * 64}'")
    with pytest.raises(VerdictError, match="filed under another"):
        newest_verdict(bare_store, "anna", "4" * 64)


def test_verdict_of_an_untrusted_key_does_not_count(bare_store, tmp_path, monkeypatch):
    save_verdict(bare_store, verdict(scorecard()))
    (tmp_path / "keys").mkdir()
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "keys"))
    with pytest.raises(VerdictError, match="which is not trusted here"):
        newest_verdict(bare_store, "anna", CANDIDATE_ID)


def test_json_holds_what_was_signed(bare_store):
    saved = save_verdict(bare_store, verdict(scorecard(), scorecard(wer=0.2)))
    shown = json.loads(render.to_json(saved))
    assert (shown["outcome"], shown["exit_code"], shown["sha256"]) == ("pass", 0, saved.sha256)
    assert Verdict.model_validate(shown["verdict"]).sha256() == saved.sha256


def test_markdown_tells_outcome_reasons_and_figures(bare_store):
    failing = scorecard(rows=[utterance(p, s, 9, failures=("cut off",)) for p in range(20) for s in (0, 1)])
    text = render.markdown(save_verdict(bare_store, verdict(failing, scorecard(wer=0.2))))
    assert text.startswith("## ❌ anna version 2: fail\n")
    assert "Against version 1; 20 prompts, 40 utterances, seeds 0, 1." in text
    assert (
        "- failed utterances (+0.900 per word): bar missed: wer 0.9000 errors per word, must be at most 0.3000\n"
        in text
    )
    assert "| wer | 0.9000 | at most 0.3000 | errors per word | **no** |" in text
    assert "| wer | 0.9000 | 0.2000 | +0.7000 |" in text
    assert "| cut off | 40 | 0 |" in text
    assert "pocketsphinx 5.1.1, ecapa_small 1, english 1" in text


@pytest.fixture
def whole(bare_store) -> SignedVerdict:
    """A verdict with every part: slices (one too small), votes, a lost sentence, superiority, recordings."""
    bar = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    share = {"metric": "similarity", "at_least": 0.9, "of": "recordings_share", "unit": "share of the recordings"}
    share |= {"reason": "x"}
    rules = policy(
        bars=[bar, share],
        slices=[{"by": "category", "min_prompts": 5, "bars": [bar]}],
        regressed_prompts={"at_most": 0, "min_seeds": 2, "reason": "x"},
        superiority={"metric": "wer", "at_least": 0.01, "unit": "errors per word", "reason": "x"},
        preference={"min_votes": 20, "worse_than": 0.4, "reason": "x"},
    )  # fmt: skip
    names = {"names": range(3), "long": range(3, 9)}
    rows = [
        utterance(p, s, 9 if p == 4 else 1, category=next((n for n, of in names.items() if p in of), "everyday"))
        for p in range(20)
        for s in (0, 1)
    ]
    card = scorecard(rows=rows, held_out=held_out(similarity=0.95))
    votes = PreferenceVotes(n_candidate=2, n_champion=30, n_ties=1, n_listeners=2)
    decision = judge(card, scorecard(), rules, votes=votes)
    return save_verdict(
        bare_store, Verdict(voice="anna", candidate=subject(2), champion=subject(1, "9" * 64), decision=decision)
    )


def test_published_schema_is_current_and_every_verdict_fits_it(bare_store, whole):
    published = Path(render.__file__).with_name("verdict.schema.json").read_text(encoding="utf-8")
    assert published == render.schema(), (
        "run `python -m registry.verdicts.render > registry/verdicts/verdict.schema.json`"
    )
    schema = json.loads(published)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for signed in (whole, save_verdict(bare_store, verdict(scorecard())), save_verdict(bare_store, verdict(
        scorecard(wer=0.9), scorecard()
    ))):  # fmt: skip
        validator.validate(json.loads(render.to_json(signed)))


@pytest.mark.parametrize("change", [{"outcome": "perhaps"}, {"exit_code": 2}, {"sha256": "x"}, {"more": 1}])
def test_schema_refuses_what_no_verdict_says(whole, change):
    schema = json.loads(render.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(render.to_json(whole)) | change, schema)


def test_whole_verdict_has_a_junit_case_for_each_metric_and_slice(whole):
    suites = ElementTree.fromstring(render.junit(whole).encode())
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert list(cases) == [
        "bar wer", "bar similarity of recordings_share", "bar wer, category everyday", "bar wer, category long",
        "not worse wer", "not worse similarity", "better wer", "lost prompts", "votes",
        "slice category names", "verdict",
    ]  # fmt: skip
    assert cases["slice category names"].find("skipped").get("message") == "3 prompts of 5"
    assert cases["lost prompts"].find("failure").text == "1 lost, 0 allowed: p004"
    assert cases["votes"].find("failure").get("message") == "votes: worse"
    assert_is_junit(suites)


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_junit_has_the_structure_that_readers_expect(bare_store, outcome):
    signed = save_verdict(bare_store, verdict(scorecard(wer=0.1 if outcome == "pass" else 0.9), scorecard()))
    assert_is_junit(ElementTree.fromstring(render.junit(signed).encode()))
    assert_is_junit(ElementTree.fromstring(render.unmeasured_junit("anna", "no scores").encode()))


def assert_is_junit(suites: ElementTree.Element) -> None:
    """What the readers of JUnit XML agree on: elements, attributes, and counts that are true."""
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


def test_markdown_stays_small_and_its_tables_whole_whatever_the_number_of_prompts(bare_store):
    bar = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    rules = policy(slices=[{"by": "category", "min_prompts": 2, "bars": [bar]}], n_resamples=1000)
    text = "a|b <img> `c` " * 20
    rows = [
        utterance(p, 0, 9, prompt_id=f"p{p:05d}", category=f"category|{p // 4}", reference=text, failures=("cut_off",))
        for p in range(4000)
    ]
    decision = judge(scorecard(seeds=(0,), rows=rows), None, rules, first_release=True)
    signed = save_verdict(bare_store, Verdict(voice="anna", candidate=subject(2), champion=None, decision=decision))
    shown = render.markdown(signed)
    assert len(shown.encode()) < 900_000
    assert "The worst 50 of 4000 prompts" in shown and "and 800 more" in shown
    assert "<img" not in shown
    assert_tables_are_whole(shown)


def test_tables_of_a_whole_verdict_have_a_cell_for_each_title(whole):
    shown = render.markdown(whole)
    assert_tables_are_whole(shown)
    assert "| category names | 3 |  |  |  | not judged: 5 prompts wanted |" in shown
    assert "**Next:** Do not release it" in shown
    assert "| `p004` | long |" in shown


def assert_tables_are_whole(shown: str) -> None:
    """Each table of GitHub's Markdown: an empty line before it, a rule below its titles, as many cells in every row."""
    blocks = [block.splitlines() for block in shown.split("\n\n") if block.startswith("|")]
    assert blocks
    for lines in blocks:
        assert set(lines[1]) == {"|", "-", " "}
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
        assert len(set(cells)) == 1, lines[cells.index(max(cells))]
    loose = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(loose) == sum(map(len, blocks))


def test_markdown_cell_cannot_be_left():
    assert "a \\| b c" in render.unmeasured_markdown("anna", "a | b\nc")


def test_junit_counts_what_failed(bare_store):
    text = render.junit(save_verdict(bare_store, verdict(scorecard(wer=0.9), scorecard(wer=0.2))))
    suites = ElementTree.fromstring(text.encode())
    assert (suites.tag, suites.get("tests"), suites.get("failures"), suites.get("errors")) == (
        "testsuites", "6", "3", "0"
    )  # fmt: skip
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert set(cases) == {
        "bar wer", "bar similarity", "bar failed_share", "not worse wer", "not worse similarity", "verdict"
    }  # fmt: skip
    assert cases["bar wer"].find("failure").get("message") == "wer missed its bar"
    assert cases["bar similarity"].find("failure") is None
    assert cases["verdict"].find("failure").text.startswith("wrong words: bar missed: wer")


def test_junit_of_what_could_not_be_measured_is_an_error_and_valid_xml():
    suites = ElementTree.fromstring(render.unmeasured_junit("anna", 'no scores for <p001> & "x" \x00\x1b').encode())
    assert (suites.get("errors"), suites.get("failures")) == ("1", "0")
    assert suites.find(".//error").text == 'no scores for <p001> & "x" ??'
