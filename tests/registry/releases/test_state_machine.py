"""The state machine of docs/releases.md against the real code: random commands, kills and hands in MLflow.

The model knows only what the document says. After every step the journal, MLflow's alias and what may speak agree with
it, and the audit finds nothing that the model does not expect.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext, suppress
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from release_desk import Desk
from release_helpers import TODAY, recordings_of

from registry.candidates.fingerprint import CandidateError
from registry.errors import RegistryError
from registry.releases import alias as alias_module
from registry.releases import promotion
from registry.releases.alias import AliasMove, ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import read_journal, write_checkpoint_if_due
from registry.releases.promotion import recover
from registry.releases.service import find_servable
from registry.storage.model_registry import delete_alias, set_alias
from registry.storage.store import open_store

FIRST_GRANT = date(2026, 1, 1)
VERSIONS = st.sampled_from((1, 2))  # version 3 has too many errors to be released


class KilledError(BaseException):
    """Ends a command at a point, as SIGKILL would: nothing after it runs, and no handler sees it."""


def kill(*_: object, **__: object) -> None:
    raise KilledError


class Releases(RuleBasedStateMachine):
    """What a voice's releases may do, by the table of docs/releases.md."""

    template: Path

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="voxfoundry_releases_"))
        for name in ("mlflow.db", "mlartifacts", ".vox", "releases"):
            source = self.template / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.root / name)
        self.day = TODAY
        self.desk = Desk(open_store(self.root), self.write_consent(FIRST_GRANT), [])
        self.stack: list[int] = []
        self.past: dict[int, date] = {}  # version to the day of the consent that it was released under
        self.revoked_on: date | None = None
        self.revoked_grants: set[date] = set()
        self.n_events = 0  # verdicts and releases, to tell which came first
        self.judged: dict[int, tuple[int | None, int]] = {}  # version to its verdict: against whom, and which event
        self.released: dict[int, int] = {}  # version to the event that made it champion last

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def write_consent(self, granted_on: date) -> Path:
        """Write a voice.yaml that is not revoked. Consents differ in the day on which they were granted."""
        self.granted_on, self.is_marked_revoked = granted_on, False
        return recordings_of(self.root, granted_on=granted_on)

    @property
    def consent_counts(self) -> bool:
        """Whether the consent in voice.yaml counts, after every revocation in the journal."""
        if self.is_marked_revoked or self.granted_on in self.revoked_grants:
            return False
        return self.revoked_on is None or self.granted_on >= self.revoked_on

    def is_taken_back(self, version: int) -> bool:
        """Whether a version was champion on the verdict that the gate would give again."""
        champion = self.stack[-1] if self.stack else None
        judged_against, number = self.judged.get(version, (None, 0))
        is_same_verdict = version in self.judged and judged_against == champion
        return version in self.past and is_same_verdict and self.released[version] > number

    def promote(self, version: int) -> bool:
        first = not self.stack
        champion = None if first else self.stack[-1]
        self.desk.gate(version, first_release=first)
        if version not in self.judged or self.judged[version][0] != champion:  # an equal verdict is not written twice
            self.n_events += 1
            self.judged[version] = (champion, self.n_events)
        return self.desk.promote(version, first_release=first, today=self.day).changed

    def rollback(self, to: int | None = None) -> AliasMove:
        arguments = {"recordings_dir": self.desk.recordings, "actor": "tester", "today": self.day}
        return promotion.rollback(self.desk.store, "anna", to=to, **arguments)

    def expect_champion(self, version: int) -> None:
        """Note that a version became champion under the consent of today."""
        self.n_events += 1
        self.past[version], self.released[version] = self.granted_on, self.n_events

    @rule(version=VERSIONS)
    def promote_version(self, version: int) -> None:
        if self.stack and self.stack[-1] == version:
            assert self.desk.promote(version, today=self.day).changed is False
        elif not self.consent_counts:
            with pytest.raises(ReleaseRefused, match="revoked"):
                self.promote(version)
        elif self.stack and version == 1:  # 1 says more words wrong than 2, so it does not replace it
            with pytest.raises(ReleaseRefused, match="verdict is"):
                self.promote(version)
        elif self.is_taken_back(version):
            with pytest.raises(ReleaseRefused, match="which was taken back since"):
                self.promote(version)
        else:
            assert self.promote(version)
            self.stack.append(version)
            self.expect_champion(version)

    @precondition(lambda self: self.stack and self.stack[-1] == 1 and self.consent_counts and not self.is_taken_back(2))
    @rule(step=st.sampled_from(("before the alias", "after the alias", "before the journal")))
    def promotion_is_killed(self, step: str) -> None:
        self.killed(lambda: self.promote(2), step)
        if step == "after the alias":
            self.stack.append(2)
            self.expect_champion(2)
        recover(self.desk.store, "anna")

    @rule()
    def roll_back(self) -> None:
        if len(self.stack) < 2 or not self.consent_counts:
            with pytest.raises(ReleaseRefused):
                self.rollback()
        else:
            assert self.rollback().changed
            self.stack.pop()
            self.expect_champion(self.stack[-1])

    @precondition(lambda self: len(self.stack) > 1 and self.consent_counts)
    @rule(step=st.sampled_from(("before the alias", "after the alias", "before the journal")))
    def rollback_is_killed_and_given_again(self, step: str) -> None:
        self.killed(self.rollback, step)
        self.rollback()
        self.stack.pop()  # once, wherever it was killed
        self.expect_champion(self.stack[-1])

    @rule(version=VERSIONS)
    def roll_back_to(self, version: int) -> None:
        if version not in self.past:
            with pytest.raises(ReleaseRefused, match="never was champion"):
                self.rollback(to=version)
        elif self.stack[-1] == version:
            assert self.rollback(to=version).changed is False
        elif not self.consent_counts:
            with pytest.raises(ReleaseRefused, match="revoked"):
                self.rollback(to=version)
        else:
            assert self.rollback(to=version).changed
            last = len(self.stack) - self.stack[::-1].index(version) if version in self.stack else None
            self.stack = self.stack[:last] if last else [*self.stack, version]
            self.expect_champion(version)

    @rule(step=st.sampled_from((None, "place_alias", "_revoke_in_file", "append_end")))
    def revoke(self, step: str | None) -> None:
        with mock.patch.object(promotion, step, kill) if step else nullcontext(), suppress(KilledError):
            promotion.revoke(self.desk.store, "anna", recordings_dir=self.desk.recordings, today=self.day)
        recover(self.desk.store, "anna")
        if self.past or self.granted_on not in self.revoked_grants:  # else it was revoked before
            self.revoked_on = self.day
            self.revoked_grants |= {self.granted_on, *self.past.values()}
        self.stack, self.past = [], {}
        self.is_marked_revoked = self.is_marked_revoked or step in (None, "append_end")

    @rule(granted_on=st.sampled_from((FIRST_GRANT, FIRST_GRANT + timedelta(days=1))))
    def put_an_old_consent_back(self, granted_on: date) -> None:
        self.write_consent(granted_on)

    @rule()
    def record_a_new_consent(self) -> None:
        self.day += timedelta(days=1)
        self.write_consent(self.day)

    @rule(version=st.sampled_from((None, 1, 2, 3)))
    def move_the_alias_by_hand(self, version: int | None) -> None:
        if not read_journal(self.desk.store, "anna").state.last_row:
            return  # an alias beside an empty journal is refused; test_alias.py
        if version is None:
            delete_alias(self.desk.store, "anna", "champion")
        else:
            set_alias(self.desk.store, "anna", "champion", version)
        recover(self.desk.store, "anna")

    @rule()
    def write_a_checkpoint(self) -> None:
        write_checkpoint_if_due(self.desk.store, "anna", read_journal(self.desk.store, "anna"), every=0)

    @invariant()
    def journal_alias_and_speech_agree_with_the_model(self) -> None:
        if not hasattr(self, "desk"):
            return
        expected = self.stack[-1] if self.stack else None
        self.desk.assert_champion(expected)
        state = read_journal(self.desk.store, "anna").state
        assert {release.version for release in state.past} == set(self.past)
        assert (date.fromisoformat(state.revocation.day) if state.revocation else None) == self.revoked_on
        assert audit(self.desk.store, "anna") == ()
        arguments = {"recordings_dir": self.desk.recordings, "today": self.day}
        if expected is not None and self.consent_counts:
            assert find_servable(self.desk.store, "anna", **arguments).version == expected
        else:
            with pytest.raises((RegistryError, CandidateError)):
                find_servable(self.desk.store, "anna", **arguments)

    def killed(self, call: object, step: str) -> None:
        """Make a call and end it before or after the alias moves, or before its first row."""
        set_alias_really = alias_module.set_alias

        def move_and_die(*arguments: object) -> None:
            set_alias_really(*arguments)
            raise KilledError

        replaced = {
            "before the journal": (alias_module, "append", kill),
            "before the alias": (alias_module, "set_alias", kill),
            "after the alias": (alias_module, "set_alias", move_and_die),
        }[step]
        with mock.patch.object(*replaced), pytest.raises(KilledError):
            call()


def _run(template: Path, n_runs: int, n_steps: int) -> None:
    class Machine(Releases):
        pass

    Machine.template = template
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=n_runs,
            stateful_step_count=n_steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_random_commands_kills_and_hands_keep_the_state_machine(template):
    _run(template, n_runs=4, n_steps=10)


@pytest.mark.slow
def test_long_random_lives_of_a_voice_keep_the_state_machine(template):
    _run(template, n_runs=8, n_steps=20)
