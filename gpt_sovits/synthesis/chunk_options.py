"""How a sentence is cut into chunks while it is spoken. It needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChunkOptions:
    """How a sentence is cut into chunks. By default the first chunk comes early and later ones are cheap.

    The settings in frames of 20 ms are for gpt_sovits.sovits.streaming.StreamingDecoder. They decide how much later a
    frame is played than its token arrives, and how chunks are joined.

    Attributes:
        first_tokens: semantic tokens (40 ms each) that the first chunk of a text waits for, at least 1.
        more_tokens: tokens that it waits for besides, again and again, while it holds less than first_seconds of
            sound, at least 1.
        second_tokens: tokens that the second chunk waits for, at least 1.
        growth: each later chunk waits for this multiple of the tokens of the chunk before, at least 1. What was sent
            plays meanwhile.
        max_tokens: largest number of tokens that a chunk waits for, at least first_tokens.
        kept_silence: silence that is kept before the first sound of a text, seconds. None keeps all.
        silent_dbfs: level of a frame below which it counts as that silence, dBFS.
        first_seconds: sound that the first chunk holds at least where silence was left out before it.
        prior_lookahead: frames that are known before the prior of a frame is fixed.
        blend_frames: frames over which a prior and its successor are blended.
        render_lookahead: frames that are known before a frame is rendered. None makes the joins exact and the first
            audio half a second later.
        crossfade_frames: frames over which two chunks are cross-faded.

    Raises:
        ValueError: a number is out of range.
    """

    first_tokens: int = 16
    more_tokens: int = 4
    second_tokens: int = 8
    growth: float = 1.5
    max_tokens: int = 75
    kept_silence: float | None = 0.01
    silent_dbfs: float = -55.0
    first_seconds: float = 0.12
    prior_lookahead: int = 8
    blend_frames: int = 4
    render_lookahead: int | None = 6
    crossfade_frames: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.first_tokens <= self.max_tokens:
            raise ValueError(
                f"first_tokens ({self.first_tokens}) must be at least 1 and at most max_tokens ({self.max_tokens})"
            )
        if min(self.more_tokens, self.second_tokens) < 1:
            raise ValueError(
                f"more_tokens ({self.more_tokens}) and second_tokens ({self.second_tokens}) must be at least 1"
            )
        if not self.growth >= 1:
            raise ValueError(f"growth must be at least 1, not {self.growth}; 1 gives chunks of equal length")
