"""Promote: what makes a version champion, and every reason for which it does not."""

from __future__ import annotations

import os
import sqlite3
from datetime import date
from pathlib import Path

import pytest
from release_desk import LENIENT
from release_helpers import LINEAGE, TODAY, policy, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.candidates.registration import register_candidate
from registry.candidates.smoke import CannotSpeakError
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import champion, history
from registry.releases.promotion import promote, rollback
from registry.verdicts.gating import current_verdict, gate_candidate


def test_first_release_is_promoted_after_it_spoke(desk):
    desk.gate(1, first_release=True)
    moved = desk.promote(1, first_release=True)
    assert (moved.changed, moved.from_version, moved.to_version) == (True, None, 1)
    assert moved.note == "version 1 is champion now; nothing was champion before"
    assert desk.spoken == [{"en": "hello"}]
    desk.assert_champion(1)
    assert desk.moves() == [("promote", "started", None, 1), ("promote", "done", None, 1)]
    row = history(desk.store, "anna")[1]
    assert (row.actor, row.note, row.refers_to) == ("tester", "first release", 5)
    assert row.candidate_id == find_candidate(desk.store, "anna", 1).candidate_id
    assert row.verdict_sha256 is not None


def test_better_candidate_replaces_the_champion(desk):
    desk.release(1, 2)
    desk.assert_champion(2)
    assert desk.moves()[2:] == [("promote", "started", 1, 2), ("promote", "done", 1, 2)]


def test_promoting_the_champion_again_changes_nothing(desk):
    desk.release(1)
    moved = desk.promote(1)
    assert not moved.changed and moved.note == "version 1 is champion already"
    assert not desk.promote(1, first_release=True).changed
    assert len(desk.moves()) == 2 and desk.spoken == [{"en": "hello"}]


def test_promote_without_a_version_takes_the_newest(desk):
    desk.gate(3, first_release=True)
    desk.assert_refused("version 3 is not promoted: its verdict is fail", lambda: desk.promote(None, True))


def test_actor_is_read_from_the_environment(desk, monkeypatch):
    desk.gate(1, first_release=True)
    monkeypatch.setenv("VOXFOUNDRY_ACTOR", "release manager")
    desk.promote(1, first_release=True, actor=None)
    assert {row.actor for row in history(desk.store, "anna")} == {"release manager"}


# the verdict


def test_candidate_without_a_verdict_is_refused(desk):
    message = "has no verdict; run `vox gate anna --candidate 1`"
    desk.assert_refused(message, lambda: desk.promote(1, first_release=True))


def test_failed_verdict_is_refused(desk):
    desk.gate(3, first_release=True)
    reason = r"its verdict is fail: misread words \(\+0\.400 per word\): threshold missed: word error rate 0.4000"
    desk.assert_refused(reason, lambda: desk.promote(3, first_release=True))


def test_inconclusive_verdict_is_refused(desk):
    assert desk.gate(1).verdict.outcome == "inconclusive"
    desk.assert_refused("its verdict is inconclusive: there is no champion", lambda: desk.promote(1))
    desk.assert_refused("its verdict is inconclusive", lambda: desk.promote(1, first_release=True))


def test_first_release_without_the_flag_is_refused(desk):
    desk.gate(1, first_release=True)
    desk.assert_refused("a person must ask for with --first-release", lambda: desk.promote(1))


def test_first_release_while_there_is_a_champion_is_refused(desk):
    desk.release(1)
    desk.gate(2)
    desk.assert_refused("version 1 is champion; leave the flag out", lambda: desk.promote(2, first_release=True))


def test_verdict_against_an_earlier_champion_is_stale(desk):
    desk.gate(2, first_release=True)
    desk.release(1)
    desk.assert_refused("given against no champion and the champion is now version 1", lambda: desk.promote(2))
    candidate_id = find_candidate(desk.store, "anna", 2).candidate_id
    assert current_verdict(desk.store, "anna", candidate_id=candidate_id, policy=policy()) is None


def test_verdict_under_another_policy_is_stale(desk):
    desk.gate(3, first_release=True, **LENIENT)
    desk.assert_refused("under another gate policy", lambda: desk.promote(3, first_release=True))


def test_verdict_edited_in_the_database_is_refused(desk):
    desk.gate(3, first_release=True)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("""UPDATE voxfoundry_verdicts_by_hash SET payload = replace(payload, '"fail"', '"pass"')""")
    connection.close()
    desk.assert_refused("was changed after it was signed", lambda: desk.promote(3, first_release=True))


def test_verdict_of_the_champion_stays_current_after_its_promotion(desk):
    desk.release(1, 2)
    candidate_id = find_candidate(desk.store, "anna", 2).candidate_id
    signed = current_verdict(desk.store, "anna", candidate_id=candidate_id, policy=policy())
    assert signed is not None and signed.verdict.champion.version == 1


def test_refusal_gives_every_reason_at_once(desk):
    desk.gate(3, first_release=True)
    recordings_of(desk.store.root, valid_until=date(2026, 2, 1))
    with pytest.raises(ReleaseRefused) as raised:
        desk.promote(3, first_release=True)
    for part in ("the consent ended on 2026-02-01", "its verdict is fail"):
        assert part in str(raised.value)


# consent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revoked_on": date(2026, 5, 1)}, "revoked the consent on 2026-05-01"),
        ({"granted_on": date(2027, 1, 1)}, "the consent begins on 2027-01-01"),
        ({"valid_until": date(2026, 2, 1)}, "the consent ended on 2026-02-01"),
    ],
)
def test_promote_and_rollback_without_valid_consent_are_refused(desk, changes, message):
    desk.release(1, 2)
    recordings_of(desk.store.root, **changes)
    desk.assert_refused(message, desk.rollback)
    desk.gate(3)
    desk.assert_refused(message, lambda: desk.promote(3))


def test_promote_without_a_consent_record_is_refused(desk):
    desk.gate(1, first_release=True)
    (desk.recordings / "voice.yaml").unlink()
    desk.assert_refused("nobody is known to have consented", lambda: desk.promote(1, first_release=True))


def test_consent_of_another_voice_is_refused(desk):
    desk.gate(1, first_release=True)
    bob = recordings_of(desk.store.root, "bob")
    desk.assert_refused("the consent of 'bob', not of 'anna'", lambda: desk.promote(1, True, recordings_dir=bob))


# the voice


def test_voice_that_cannot_speak_is_refused(desk):
    desk.gate(1, first_release=True)

    def fail(folder: Path, text: str) -> None:
        raise CannotSpeakError("the voice said nothing")

    desk.assert_refused("said nothing", lambda: desk.promote(1, first_release=True, smoke=fail))


def test_release_during_the_smoke_test_makes_the_verdict_stale(desk):
    desk.release(1)
    desk.gate(2)

    def revoke_meanwhile(folder: Path, text: str) -> None:
        desk.revoke(actor="other")
        recordings_of(desk.store.root)

    with pytest.raises(ReleaseRefused, match="given against version 1 and the champion is now none"):
        desk.promote(2, smoke=revoke_meanwhile)
    desk.assert_champion(None)


def test_changed_files_are_neither_promoted_nor_rolled_back_to(desk, tmp_path):
    for number in (1, 2):
        folder = tmp_path / "built" / f"voice_{number}"
        voice_folder = write_voice_folder(folder / "voice", f"w{number}")
        scores = write_scores(folder, scorecard("bob", wer=0.1))
        register_candidate(desk.store, "bob", voice_folder=voice_folder, scorecard_path=scores, lineage=LINEAGE)
    settings = {
        "policy": policy(),
        "recordings_dir": recordings_of(desk.store.root, "bob"),
        "smoke_texts": {"en": "x"},
        "smoke": lambda folder, text: None,
        "today": TODAY,
    }
    gate_candidate(desk.store, "bob", policy=policy(), version=1, first_release=True)
    weights = voice_folder_of(desk.store, find_candidate(desk.store, "bob", 1)) / "gpt" / "model.safetensors"
    whole = weights.read_text()
    weights.write_text("tampered")
    with pytest.raises(ReleaseRefused, match=r"gpt/model\.safetensors changed"):
        promote(desk.store, "bob", version=1, first_release=True, **settings)
    weights.write_text(whole)
    promote(desk.store, "bob", version=1, first_release=True, **settings)
    gate_candidate(desk.store, "bob", policy=policy(), version=2)
    promote(desk.store, "bob", version=2, **settings)
    weights.write_text("tampered")
    with pytest.raises(ReleaseRefused, match=r"cannot go back to version 1: .*gpt/model\.safetensors changed"):
        rollback(desk.store, "bob", recordings_dir=settings["recordings_dir"], today=TODAY)
    assert champion(desk.store, "bob").version == 2


# two at once


def test_two_processes_promoting_at_once_never_both_win(desk, cold_desk):
    """Both have a pass against version 1. The second finds a champion that its verdict does not know."""
    desk.release(1)
    for version in (2, 3):
        assert desk.gate(version, **LENIENT).verdict.outcome == "pass"
    for attempt in range(2):
        cold = cold_desk(desk, f"cold_{attempt}")
        children = []
        for version in (2, 3):
            if (child := os.fork()) == 0:
                code = 2
                try:
                    code = 0 if cold.promote(version, policy=policy(**LENIENT)).changed else 3
                except ReleaseRefused as error:
                    code = 1 if "is stale" in str(error) else 2
                finally:
                    os._exit(code)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert sorted(codes) == [0, 1]
        cold.assert_champion((2, 3)[codes.index(0)])
        assert [row.state for row in history(cold.store, "anna")] == ["started", "done"] * 2
        assert audit(cold.store, "anna") == ()
