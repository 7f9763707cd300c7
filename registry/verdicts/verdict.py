"""A verdict: a decision of the gate, and exactly which versions it is about."""

from __future__ import annotations

from registry.gate.decision import Decision, Outcome, Record
from registry.storage.database import canonical, sha256_text

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
EXIT_CANNOT_MEASURE = 2


class Subject(Record):
    """One version of a voice, down to its bytes."""

    version: int
    candidate_id: str
    weights_sha256: str
    scores_sha256: str


class Verdict(Record):
    """A decision about one version against one champion: what is signed and stored, and what `promote` requires."""

    voice: str
    candidate: Subject
    champion: Subject | None
    decision: Decision

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the decision."""
        return self.decision.outcome

    @property
    def exit_code(self) -> int:
        """Return the exit code of `vox gate`."""
        return EXIT_CODES[self.decision.outcome]

    def payload(self) -> str:
        """Return the canonical JSON that is signed. Parsing it gives an equal verdict."""
        return canonical(self.model_dump(mode="json"))

    def sha256(self) -> str:
        """Return the sha256 of the payload."""
        return sha256_text(self.payload())
