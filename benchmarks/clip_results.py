"""What became of one clip in the benchmark of planted transcript faults."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.wer import ErrorCount, word_errors
from stages.tables import AlignedClip, Disagreement

BAD_WORDS = 2  # wrong words from which a clip must be found


@dataclass(frozen=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        speaker: whose voice.
        snr: in dB.
        noise: one of NOISES.
        fault: one of FAULTS.
        true_text: what is said in it, normalised.
        row: what align says about it.
        disagreements: what align reports in it.
        n_wrong: wrong words in its text, counting missing and added ones.
        is_touched: whether a fault was planted into what is said in it.
        doubts: of all its disagreements, reported or not. None where align did not look for any.
    """

    speaker: str
    snr: int
    noise: str
    fault: str
    true_text: str
    row: AlignedClip
    disagreements: tuple[Disagreement, ...]
    n_wrong: int
    is_touched: bool
    doubts: tuple[float, ...] | None

    @property
    def is_good(self) -> bool:
        """Return whether the clip should be kept: words are said in it, and no fault was planted into them."""
        return bool(self.true_text) and not self.is_touched

    @property
    def is_bad(self) -> bool:
        """Return whether the clip must be found: its text is wrong, by a planted fault or by align."""
        return self.n_wrong >= BAD_WORDS and not (self.is_good and not self.row.kept)

    @property
    def found(self) -> bool:
        """Return whether align rejects the clip or reports words of it."""
        return not self.row.kept or self.reported

    @property
    def reported(self) -> bool:
        """Return whether align keeps the clip and reports words of it."""
        return self.row.kept and bool(self.disagreements)

    @property
    def heard(self) -> ErrorCount | None:
        """Return the judge's word errors, or None where nothing is said."""
        return word_errors(self.true_text, self.row.asr_text) if self.true_text else None
