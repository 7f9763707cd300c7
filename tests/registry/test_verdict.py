"""Verdicts: signed, stored, found again, and shown to people and CI."""

from __future__ import annotations

import json
import sqlite3
import xml.etree.ElementTree as ElementTree

import pytest
from release_helpers import policy, scorecard, utterance

from metrics.scores import Scorecard
from registry import render
from registry.gate import judge
from registry.store import Store
from registry.verdict import Subject, Verdict
from registry.verdict_store import VerdictError, newest_verdict, save_verdict, verdict_by_sha256

CANDIDATE_ID = "1" * 64


def subject(version: int, candidate_id: str = CANDIDATE_ID) -> Subject:
    return Subject(version=version, candidate_id=candidate_id, weights_sha256="2" * 64, scores_sha256="3" * 64)


def verdict(candidate: Scorecard, champion: Scorecard | None = None) -> Verdict:
    judgement = judge(candidate, champion, policy(), first_release=champion is None)
    reigning = subject(1, "9" * 64) if champion else None
    return Verdict(voice="anna", candidate=subject(2), champion=reigning, judgement=judgement)


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
