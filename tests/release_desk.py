"""A release manager's desk for tests: the registry's calls with everything filled in that a test does not vary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from release_helpers import TODAY, policy

from registry.releases.alias import AliasMove, ReleaseRefused
from registry.releases.journal import champion, history
from registry.releases.promotion import promote, revoke, rollback
from registry.storage.store import Store, mlflow_client
from registry.verdicts.gating import gate_candidate
from registry.verdicts.store import SignedVerdict

# Version 3 is as similar to the speaker as the others, and this policy does not compare its words.
LENIENT = {
    "thresholds": [{"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "similarity", "margin": 0.1, "unit": "cosine", "reason": "test"}],
}


@dataclass
class Desk:
    """A release manager at work on the voice anna, whose versions 1, 2 and 3 are registered."""

    store: Store
    recordings: Path
    spoken: list[dict[str, str]]  # what the smoke test was told to say, by language

    def gate(self, version: int, first_release: bool = False, **policy_changes: object) -> SignedVerdict:
        """Give a verdict about a version."""
        changed = policy(**policy_changes)
        return gate_candidate(self.store, "anna", policy=changed, version=version, first_release=first_release)

    def promote(self, version: int | None, first_release: bool = False, **changes: object) -> AliasMove:
        """Promote a version with a smoke test that only notes the text."""
        settings = {
            "policy": policy(),
            "recordings_dir": self.recordings,
            "smoke_texts": {"en": "hello"},
            "version": version,
            "first_release": first_release,
            "actor": "tester",
            "today": TODAY,
            "smoke": lambda folder, texts: self.spoken.append(texts),
        }
        return promote(self.store, "anna", **(settings | changes))

    def rollback(self, to: int | None = None) -> AliasMove:
        return rollback(self.store, "anna", recordings_dir=self.recordings, to=to, actor="tester", today=TODAY)

    def revoke(self, actor: str = "tester") -> AliasMove:
        return revoke(self.store, "anna", recordings_dir=self.recordings, actor=actor, today=TODAY)

    def release(self, *versions: int) -> None:
        """Gate and promote one version after another, the first one as the first release."""
        for index, version in enumerate(versions):
            first = index == 0
            self.gate(version, first_release=first)
            assert self.promote(version, first_release=first).changed

    def release_three(self) -> None:
        """Release versions 1 and 2, then 3 under the lenient policy."""
        self.release(1, 2)
        assert self.gate(3, **LENIENT).verdict.outcome == "pass"
        assert self.promote(3, policy=policy(**LENIENT)).changed

    def alias(self) -> int | None:
        """Return the champion according to MLflow, without the product's code."""
        version = mlflow_client(self.store).get_registered_model("anna").aliases.get("champion")
        return None if version is None else int(version)

    def moves(self) -> list[tuple]:
        """Return the journal in short: (action, state, from, to)."""
        return [(row.action, row.state, row.from_version, row.to_version) for row in history(self.store, "anna")]

    def assert_champion(self, version: int | None) -> None:
        """Check that MLflow's alias and the journal name the same version."""
        found = champion(self.store, "anna")
        assert (found.version if found else None) == version
        assert self.alias() == version

    def assert_refused(self, message: str, call: Callable[[], object]) -> None:
        """Check that a call is refused with the message and changes neither alias nor journal."""
        before = (self.alias(), self.moves())
        with pytest.raises(ReleaseRefused, match=message):
            call()
        assert (self.alias(), self.moves()) == before
