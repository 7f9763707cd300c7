"""Promote, roll back, revoke: what moves the champion and what does not."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import types
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from release_helpers import LINEAGE, TODAY, policy, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import find_candidate, register_candidate, voice_folder_of
from registry.candidates.smoke import CannotSpeakError, speak_once
from registry.consent import ConsentError
from registry.gate.errors import CannotMeasure
from registry.releases import alias as alias_module
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import JournalError, champion, history
from registry.releases.promotion import promote, recover, releases, revoke, rollback
from registry.storage.store import mlflow_client
from registry.verdicts.gating import current_verdict, gate_candidate

# Version 3 is as similar to the speaker as the others, and its words are not asked for.
LENIENT = {
    "thresholds": [{"metric": "wer", "at_most": 0.9, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "similarity", "margin": 0.1, "unit": "cosine", "reason": "test"}],
}


def story(desk) -> list[tuple]:
    """The journal in short: (action, state, from, to)."""
    return [(row.action, row.state, row.from_version, row.to_version) for row in releases(desk.store, "anna")]


def assert_champion(desk, version: int | None) -> None:
    """The effect and the record: MLflow's alias and the journal name the same version."""
    found = champion(desk.store, "anna")
    assert (found.version if found else None) == version
    assert desk.alias() == version


def assert_refused(desk, message: str, call) -> None:
    """The call is refused with the message, and neither alias nor journal has changed."""
    before = (desk.alias(), story(desk))
    with pytest.raises(ReleaseRefused, match=message):
        call()
    assert (desk.alias(), story(desk)) == before


def test_first_release_is_promoted_after_it_spoke(desk):
    desk.judge(1, first_release=True)
    moved = desk.promote(1, first_release=True)
    assert (moved.changed, moved.from_version, moved.to_version) == (True, None, 1)
    assert moved.note == "version 1 is champion now; nothing was champion before"
    assert desk.spoken == ["hello"]
    assert_champion(desk, 1)
    assert story(desk) == [("promote", "started", None, 1), ("promote", "done", None, 1)]
    row = history(desk.store, "anna")[1]
    assert (row.actor, row.note, row.refers_to) == ("tester", "first release", 1)
    assert row.candidate_id == find_candidate(desk.store, "anna", 1).candidate_id
    assert row.verdict_sha256 is not None


def test_better_candidate_replaces_the_champion(desk):
    desk.release(1, 2)
    assert_champion(desk, 2)
    assert story(desk)[2:] == [("promote", "started", 1, 2), ("promote", "done", 1, 2)]


def test_champion_promoted_again_changes_nothing(desk):
    desk.release(1)
    moved = desk.promote(1)
    assert not moved.changed and moved.note == "version 1 is champion already"
    assert not desk.promote(1, first_release=True).changed
    assert len(story(desk)) == 2 and desk.spoken == ["hello"]


def test_promote_without_a_version_takes_the_newest(desk):
    desk.judge(3, first_release=True)
    assert_refused(desk, "version 3 is not promoted: its verdict is fail", lambda: desk.promote(None, True))


def test_promote_without_a_verdict_is_refused(desk):
    assert_refused(desk, "has no verdict; run `vox gate anna`", lambda: desk.promote(1, first_release=True))


def test_promote_with_a_failed_verdict_is_refused(desk):
    desk.judge(3, first_release=True)
    reason = "its verdict is fail: wrong words: threshold missed: word error rate 0.4000"
    assert_refused(desk, reason, lambda: desk.promote(3, first_release=True))


def test_promote_with_an_inconclusive_verdict_is_refused(desk):
    assert desk.judge(1).verdict.outcome == "inconclusive"
    assert_refused(desk, "its verdict is inconclusive: there is no champion", lambda: desk.promote(1))
    assert_refused(desk, "its verdict is inconclusive", lambda: desk.promote(1, first_release=True))


def test_first_release_that_nobody_asked_for_is_refused(desk):
    desk.judge(1, first_release=True)
    assert_refused(desk, "a person must ask for with --first-release", lambda: desk.promote(1))


def test_first_release_while_a_champion_exists_is_refused(desk):
    desk.release(1)
    desk.judge(2)
    assert_refused(desk, "version 1 is champion; leave the flag out", lambda: desk.promote(2, first_release=True))


def test_verdict_against_an_earlier_champion_is_stale(desk):
    desk.judge(2, first_release=True)
    desk.release(1)
    assert_refused(
        desk, "given against no champion and the champion is now version 1", lambda: desk.promote(2)
    )  # fmt: skip
    candidate_id = find_candidate(desk.store, "anna", 2).candidate_id
    assert current_verdict(desk.store, "anna", candidate_id=candidate_id, policy=policy()) is None


def test_verdict_under_another_policy_is_stale(desk):
    desk.judge(3, first_release=True, thresholds=LENIENT["thresholds"])
    assert_refused(desk, "under another gate policy", lambda: desk.promote(3, first_release=True))


def test_verdict_edited_in_the_database_is_refused(desk):
    desk.judge(3, first_release=True)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("""UPDATE voxfoundry_verdicts SET payload = replace(payload, '"fail"', '"pass"')""")
    connection.close()
    assert_refused(desk, "was changed after it was signed", lambda: desk.promote(3, first_release=True))


def test_every_reason_is_given_at_once(desk):
    desk.judge(3, first_release=True)
    recordings_of(desk.store.root, valid_until=date(2026, 2, 1))
    with pytest.raises(ReleaseRefused) as raised:
        desk.promote(3, first_release=True)
    for part in ("the consent ended on 2026-02-01", "its verdict is fail"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revoked_on": date(2026, 5, 1)}, "revoked the consent on 2026-05-01"),
        ({"granted_on": date(2027, 1, 1)}, "the consent begins on 2027-01-01"),
        ({"valid_until": date(2026, 2, 1)}, "the consent ended on 2026-02-01"),
    ],
)
def test_promote_and_rollback_without_consent_are_refused(desk, changes, message):
    desk.release(1, 2)
    recordings_of(desk.store.root, **changes)
    assert_refused(desk, message, desk.rollback)
    desk.judge(3)
    assert_refused(desk, message, lambda: desk.promote(3))


def test_promote_without_a_consent_record_is_refused(desk):
    desk.judge(1, first_release=True)
    (desk.recordings / "voice.yaml").unlink()
    assert_refused(desk, "nobody is known to have consented", lambda: desk.promote(1, first_release=True))


def test_consent_of_another_voice_is_refused(desk):
    desk.judge(1, first_release=True)
    bob = recordings_of(desk.store.root, "bob")
    assert_refused(desk, "the consent of 'bob', not of 'anna'", lambda: desk.promote(1, True, recordings_dir=bob))


def test_voice_that_cannot_speak_is_not_promoted(desk):
    desk.judge(1, first_release=True)

    def dumb(folder: Path, text: str) -> None:
        raise ReleaseRefused("the voice said nothing")

    assert_refused(desk, "said nothing", lambda: desk.promote(1, first_release=True, smoke=dumb))


def test_release_that_happens_while_the_voice_speaks_makes_the_verdict_stale(desk):
    desk.release(1)
    desk.judge(2)

    def meanwhile(folder: Path, text: str) -> None:
        revoke(desk.store, "anna", recordings_dir=desk.recordings, actor="other", today=TODAY)
        recordings_of(desk.store.root)

    with pytest.raises(ReleaseRefused, match="given against version 1 and the champion is now none"):
        desk.promote(2, smoke=meanwhile)
    assert_champion(desk, None)


def test_changed_files_are_not_promoted_and_not_rolled_back_to(desk, tmp_path):
    built = tmp_path / "built"
    for number in (1, 2):
        write_voice_folder(built / f"voice_{number}" / "voice", f"w{number}")
        scores = write_scores(built / f"voice_{number}", scorecard("bob", wer=0.1))
        register_candidate(desk.store, "bob", built / f"voice_{number}" / "voice", scores, LINEAGE)
    settings = {
        "policy": policy(), "recordings_dir": recordings_of(desk.store.root, "bob"), "smoke_text": "x",
        "smoke": lambda folder, text: None, "today": TODAY,
    }  # fmt: skip
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


# rollback


def three_releases(desk) -> None:
    """Versions 1, 2 and, under a policy that allows anything, 3."""
    desk.release(1, 2)
    assert desk.judge(3, **LENIENT).verdict.outcome == "pass"
    assert desk.promote(3, policy=policy(**LENIENT)).changed


def test_rollback_goes_back_and_again_further_and_stops_at_the_first(desk):
    three_releases(desk)
    assert desk.rollback().note == "version 2 is champion now; version 3 was champion before"
    assert_champion(desk, 2)
    desk.rollback()
    assert_champion(desk, 1)
    assert_refused(desk, "version 1 is the first release of anna; nothing lies before", desk.rollback)
    assert [row[0] for row in story(desk)] == ["promote"] * 6 + ["rollback"] * 4
    assert audit(desk.store, "anna") == ()


def test_rollback_to_a_former_champion_forwards_and_backwards(desk):
    three_releases(desk)
    desk.rollback(to=1)
    assert_champion(desk, 1)
    desk.rollback(to=3)
    assert_champion(desk, 3)
    assert not desk.rollback(to=3).changed
    assert audit(desk.store, "anna") == ()


def test_rollback_to_what_never_was_champion_is_refused(desk):
    desk.release(1, 2)
    assert_refused(desk, "version 3 of anna never was champion; those that were: 1, 2", lambda: desk.rollback(to=3))


def test_rollback_without_any_release_is_refused(desk):
    assert_refused(desk, "anna has no champion to go back from", desk.rollback)


def test_rollback_to_a_deleted_version_is_refused_and_one_further_is_not(desk):
    three_releases(desk)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    assert_refused(desk, "anna has no version 2", desk.rollback)
    desk.rollback(to=1)
    assert_champion(desk, 1)


def test_rollback_from_a_deleted_champion_works(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    assert desk.alias() is None
    assert "version 2, the champion, is gone from MLflow" in desk.rollback().note
    assert_champion(desk, 1)


def test_candidate_cannot_be_judged_against_a_deleted_champion(desk):
    desk.release(1)
    mlflow_client(desk.store).delete_model_version("anna", "1")
    with pytest.raises(CannotMeasure, match="the champion of anna, version 1, is gone"):
        desk.judge(2)


# revoke


def test_revoked_voice_is_out_of_service_until_a_new_consent(desk):
    desk.release(1, 2)
    moved = revoke(desk.store, "anna", recordings_dir=desk.recordings, actor="tester", today=TODAY)
    assert moved.changed and moved.note == "out of service; version 2 was champion before"
    assert_champion(desk, None)
    assert_refused(desk, "revoked the consent", lambda: desk.rollback(to=1))
    recordings_of(desk.store.root)
    assert_refused(desk, "no champion to go back from", desk.rollback)
    desk.rollback(to=1)
    assert_champion(desk, 1)
    assert audit(desk.store, "anna") == ()


def test_revoked_again_or_never_released_moves_nothing(desk):
    moved = revoke(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY)
    assert not moved.changed and moved.note == "no version was in service"
    assert story(desk) == []


def test_voice_whose_record_cannot_be_written_still_goes_out_of_service(desk):
    desk.release(1)
    (desk.recordings / "voice.yaml").unlink()
    with pytest.raises(ConsentError, match="is missing"):
        revoke(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY)
    assert_champion(desk, None)


# the alias


def test_alias_moved_by_hand_is_put_back_and_told(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    assert audit(desk.store, "anna")[0].startswith("the alias champion is at version 3 and the journal says version 2")
    assert recover(desk.store, "anna", "tester")[0].startswith("put the alias back to version 2")
    assert_champion(desk, 2)
    assert story(desk)[-1] == ("restore", "done", 3, 2)
    assert audit(desk.store, "anna") == ()
    assert recover(desk.store, "anna") == ()


def test_alias_set_by_hand_without_any_release_is_removed(desk):
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    assert recover(desk.store, "anna", "tester")[0].startswith("put the alias back to nothing")
    assert_champion(desk, None)


def test_alias_that_mlflow_does_not_move_leaves_the_champion_and_an_undone_row(desk, monkeypatch):
    desk.release(1)
    desk.judge(2)
    monkeypatch.setattr(alias_module, "_set_alias", lambda *_: "disk full")
    with pytest.raises(ReleaseRefused, match=r"MLflow did not move the alias \(disk full\); the champion is as before"):
        desk.promote(2)
    monkeypatch.undo()
    assert_champion(desk, 1)
    assert story(desk)[-1] == ("promote", "undone", 1, 2)
    assert desk.promote(2).changed


def test_judged_candidate_is_challenger(desk):
    desk.release(1)
    desk.judge(2)
    aliases = mlflow_client(desk.store).get_registered_model("anna").aliases
    assert {name: int(version) for name, version in aliases.items()} == {"champion": 1, "challenger": 2}


def test_broken_journal_stops_every_release(desk):
    desk.release(1, 2)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_journal SET to_version = 3 WHERE number = 2")
    connection.close()
    for call in (desk.rollback, lambda: desk.promote(3), lambda: desk.judge(3)):
        with pytest.raises(JournalError, match="broken at row 2"):
            call()
    assert desk.alias() == 2
    assert audit(desk.store, "anna") == (
        "the journal is broken at row 2: its contents were changed after it was written",
    )


def test_actor_is_named_or_the_user(desk, monkeypatch):
    desk.judge(1, first_release=True)
    monkeypatch.setenv("VOXFOUNDRY_ACTOR", "release manager")
    desk.promote(1, first_release=True, actor=None)
    assert {row.actor for row in history(desk.store, "anna")} == {"release manager"}


def test_verdict_that_made_the_champion_still_holds_and_needs_no_new_one(desk):
    desk.release(1, 2)
    signed = current_verdict(
        desk.store, "anna", candidate_id=find_candidate(desk.store, "anna", 2).candidate_id, policy=policy()
    )
    assert signed is not None and signed.verdict.champion.version == 1


# at once


def test_two_processes_promoting_at_once_never_both_win(desk, cold_desk, tmp_path):
    """Both have a pass against version 1; whoever comes second finds a champion that it was not judged against."""
    desk.release(1)
    for version in (2, 3):
        assert desk.judge(version, **LENIENT).verdict.outcome == "pass"
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
        assert_champion(cold, (2, 3)[codes.index(0)])
        assert [row.state for row in history(cold.store, "anna")] == ["started", "done"] * 2
        assert audit(cold.store, "anna") == ()


# the smoke test that is used where none is given


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(100, dtype=np.float32), "said nothing"),
        (np.zeros(0, dtype=np.float32), "said nothing"),
        (np.full(100, np.nan, dtype=np.float32), "said nothing"),
        (ValueError("model.safetensors: wrong shape"), "cannot speak .model.safetensors: wrong shape"),
    ],
)
def test_silent_nan_or_unloadable_voice_does_not_pass_the_smoke_test(tmp_path, monkeypatch, waveform, message):
    assert_smoke(monkeypatch, waveform, lambda: pytest.raises(CannotSpeakError, match=message), tmp_path)


def test_voice_that_sounds_passes_the_smoke_test(tmp_path, monkeypatch):
    assert_smoke(monkeypatch, np.full(100, 0.1, dtype=np.float32), contextlib.nullcontext, tmp_path)


def assert_smoke(monkeypatch, waveform: np.ndarray | Exception, expected, folder: Path) -> None:
    """`speak_once` with a synthesis that answers with the waveform, or raises it."""

    class Synthesizer:
        def say(self, text: str, seed: int = 0) -> types.SimpleNamespace:
            if isinstance(waveform, Exception):
                raise waveform
            return types.SimpleNamespace(waveform=waveform, sample_rate=32000)

    module = types.ModuleType("gpt_sovits.synthesis.voice")
    module.load_voice = lambda folder: Synthesizer()
    monkeypatch.setitem(sys.modules, "gpt_sovits.synthesis.voice", module)
    with expected():
        speak_once(folder, "hello")
