"""Where the sound of a text begins: a stream leaves out the silence before it, because a listener waits meanwhile."""

from __future__ import annotations

import numpy as np

FRAME_SECONDS = 0.005
FADE_SECONDS = 0.01  # in the silence that is kept, so that the stream begins without a step


class LeadingSilence:
    """Cuts the silence before the first sound of a stream.

    Sound begins with the first frame of FRAME_SECONDS whose level reaches a bound. What is kept before it holds the
    part of a soft onset, such as that of /h/ or /f/, that is below the bound.

    Invariant: the pieces that were given, without some samples at their beginning, are the pieces that were returned.
    Only the fade, which ends before the sound begins, changes samples.

    Attributes:
        is_over: Whether the sound has begun.
        n_left_out: Samples that were cut.
    """

    def __init__(self, sample_rate: int, *, bound_dbfs: float, kept_seconds: float, first_seconds: float) -> None:
        """Begin before the first piece.

        Args:
            sample_rate: Samples per second.
            bound_dbfs: Root mean square of a frame at which sound begins.
            kept_seconds: Silence that stays before the sound.
            first_seconds: Sound that the first piece holds at least, so that a listener does not run dry at once.
        """
        self._frame, self._fade = round(FRAME_SECONDS * sample_rate), round(FADE_SECONDS * sample_rate)
        self._bound = 10 ** (bound_dbfs / 20)
        self._kept, self._first = round(kept_seconds * sample_rate), round(first_seconds * sample_rate)
        self._held = np.zeros(0, np.float32)
        self.is_over, self.n_left_out = False, 0

    def push(self, sound: np.ndarray, *, final: bool = False) -> np.ndarray:
        """Take the next piece, and return what is played now.

        Args:
            sound: (n,) float32.
            final: Whether it is the last one.

        Returns:
            (m,) float32. Empty while only silence came. A text without any sound comes whole, with the last piece.
        """
        if self.is_over:
            return sound
        self._held = np.concatenate((self._held, sound))
        onset = self._onset()
        if not final and (onset is None or len(self._held) - onset < self._first):
            return self._held[:0]
        self.is_over = True
        start = self.n_left_out = 0 if onset is None else max(0, onset - self._kept)
        played = self._held[start:]
        if start:
            n = min(self._fade, onset - start)
            played[:n] *= np.sin(0.5 * np.pi * (np.arange(n, dtype=np.float32) + 0.5) / max(n, 1)) ** 2
        return played

    def _onset(self) -> int | None:
        """Return the first sample of the first frame that is not silent."""
        n_frames = len(self._held) // self._frame
        frames = self._held[: n_frames * self._frame].reshape(n_frames, self._frame)
        loud = np.flatnonzero(np.sqrt(np.mean(np.square(frames), axis=1)) >= self._bound)
        return int(loud[0]) * self._frame if len(loud) else None
