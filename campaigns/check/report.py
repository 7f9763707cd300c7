"""What a check found, in counts and examples: its size does not depend on the number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.records import REASONS, CampaignSettings, Reject, RejectReason, RenderedRow

MAX_EXAMPLES = 5  # of each reason


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        name: Of the campaign.
        voice: Name of the voice.
        version: Version that would speak, None where none may.
        candidate_id: Of that version.
        fault: Reason and message for which the campaign as a whole may not be spoken, None where it may.
        n_rows: Rows that were read.
        n_accepted: Rows that can be spoken.
        n_rejected: Rows by reason, of those that cannot be spoken.
        examples: The first rejects of each reason.
        seconds_of_audio: Expected length of all files together, in seconds.
        seconds_to_speak: The same without what was spoken before at the same place, in seconds.
        longest_seconds: Expected length of the longest file, in seconds.
        n_sentences: Sentences of all accepted rows.
        n_distinct_sentences: Those that have to be spoken.
        unused_columns: Columns that the template does not use.
    """

    name: str
    voice: str
    version: int | None
    candidate_id: str | None
    fault: tuple[RejectReason, str] | None
    n_rows: int
    n_accepted: int
    n_rejected: Mapping[RejectReason, int]
    examples: Mapping[RejectReason, tuple[Reject, ...]]
    seconds_of_audio: float
    seconds_to_speak: float
    longest_seconds: float
    n_sentences: int
    n_distinct_sentences: int
    unused_columns: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """Return whether every row can be spoken, and there is one."""
        return self.fault is None and self.n_rows > 0 and self.n_accepted == self.n_rows

    def hours_to_speak(self, speed: float) -> float:
        """Return how long the synthesis takes where `speed` seconds of speech are made per second, in hours."""
        return self.seconds_to_speak / speed / 3600

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        rejects = [
            {
                "reason": str(reason),
                "what_to_do": REASONS[reason],
                "n_rows": count,
                "examples": [
                    {"line": row.line, "recipient_id": row.recipient_id, "message": row.message}
                    for row in self.examples[reason]
                ],
            }
            for reason, count in self.n_rejected.items()
        ]
        plain = (
            "name",
            "voice",
            "version",
            "candidate_id",
            "n_rows",
            "n_accepted",
            "n_sentences",
            "n_distinct_sentences",
        )
        seconds = ("seconds_of_audio", "seconds_to_speak", "longest_seconds")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: round(getattr(self, name), 3) for name in seconds},
            "has_passed": self.has_passed,
            "fault": None if self.fault is None else {"reason": str(self.fault[0]), "message": self.fault[1]},
            "rejects": rejects,
            "unused_columns": list(self.unused_columns),
        }


@dataclass
class Tally:
    """The counts of a check while it runs."""

    n_rows: int = 0
    n_accepted: int = 0
    seconds_of_audio: float = 0.0
    seconds_to_speak: float = 0.0
    longest_seconds: float = 0.0
    n_sentences: int = 0
    n_distinct_sentences: int = 0
    n_rejected: Counter[RejectReason] = field(default_factory=Counter)
    examples: dict[RejectReason, list[Reject]] = field(default_factory=dict)

    def reject(self, row: Reject) -> None:
        """Count a rejected row."""
        self.n_rows += 1
        self.n_rejected[row.reason] += 1
        kept = self.examples.setdefault(row.reason, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(row)

    def accept(self, row: RenderedRow, new_seconds: float, n_new: int) -> None:
        """Count an accepted row.

        Args:
            row: The row.
            new_seconds: Expected length of its sentences that no row above had at the same place, in seconds.
            n_new: Number of these sentences.
        """
        self.n_rows += 1
        self.n_accepted += 1
        self.seconds_of_audio += row.seconds
        self.seconds_to_speak += new_seconds
        self.longest_seconds = max(self.longest_seconds, row.seconds)
        self.n_sentences += len(row.sentences)
        self.n_distinct_sentences += n_new


def refused_report(settings: CampaignSettings, reason: RejectReason, message: str) -> CheckReport:
    """Return the report of a campaign whose voice may not speak it, so that no row was read."""
    return CheckReport(
        name=settings.name,
        voice=settings.voice,
        version=settings.version,
        candidate_id=None,
        fault=(reason, message),
        n_rows=0,
        n_accepted=0,
        n_rejected={},
        examples={},
        seconds_of_audio=0.0,
        seconds_to_speak=0.0,
        longest_seconds=0.0,
        n_sentences=0,
        n_distinct_sentences=0,
        unused_columns=(),
    )
