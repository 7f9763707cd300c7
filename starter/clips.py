"""Clips that the stages prior and joint learn from: parts of utterances with their phonemes, tokens and sound.

The clips of a step follow from its number alone. Clips of a step have similar lengths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
import torch

from gpt_sovits.determinism import derive_seed
from starter.gpt_batches import Piece, crop, cut, piece_from_row
from starter.sovits_data import voice_weights
from starter.tokens import TOKEN_SECONDS

STEPS_PER_ROUND = 8  # clips are drawn for this many steps at once and sorted by length, which saves padding
TOKENS_STEP, PHONEMES_STEP = 16, 16  # padded lengths are multiples of these, because the library plans each new shape


@dataclass(frozen=True)
class Clip:
    """A part of an utterance.

    Attributes:
        number: The row of tokens.jsonl that holds the utterance.
        piece: Its phonemes and tokens. `piece.before[1]` tokens of the utterance come before it.
    """

    number: int
    piece: Piece

    @property
    def first_frame(self) -> int:
        """The frame of the utterance at which the clip begins, 50 a second."""
        return 2 * self.piece.before[1]

    @property
    def n_frames(self) -> int:
        """Number of frames, two per token."""
        return 2 * len(self.piece.tokens)


class Texts:
    """What a batch of clips says, padded on the right: B clips of at most X phonemes and Y tokens."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        n_tokens = max(len(clip.piece.tokens) for clip in clips)
        n_tokens += -n_tokens % TOKENS_STEP
        n_phonemes = max(len(clip.piece.phonemes) for clip in clips)
        self.tokens = torch.zeros(len(clips), n_tokens, dtype=torch.long)  # (B, Y)
        self.phoneme_ids = torch.zeros(len(clips), n_phonemes + -n_phonemes % PHONEMES_STEP, dtype=torch.long)  # (B, X)
        for row, clip in enumerate(clips):
            self.tokens[row, : len(clip.piece.tokens)] = torch.from_numpy(clip.piece.tokens)
            self.phoneme_ids[row, : len(clip.piece.phonemes)] = torch.from_numpy(clip.piece.phonemes)
        self.lengths = torch.tensor([clip.n_frames for clip in clips])  # (B,) frames
        self.phoneme_lengths = torch.tensor([len(clip.piece.phonemes) for clip in clips])  # (B,)

    @property
    def n_frames(self) -> int:
        """Frames of the padded batch."""
        return 2 * self.tokens.shape[1]


class ClipRounds:
    """Random clips for every step.

    Args:
        rows: The rows of tokens.jsonl.
        held_out: Names of utterances that are left out.
        shares: Share of each kind of voices.
        longest_seconds: Longer utterances are cut at phone borders.
        name: The stage, which decides the random choices.
    """

    def __init__(
        self,
        rows: Sequence[Mapping],
        held_out: Collection[str],
        shares: Mapping[str, float],
        *,
        longest_seconds: float,
        name: str,
    ) -> None:
        self.pieces: dict[int, Piece] = {}
        by_voice: dict[str, list[int]] = {}
        for number, row in enumerate(rows):
            if row["name"] not in held_out:
                self.pieces[number] = piece_from_row(row)
                by_voice.setdefault(row["voice"], []).append(number)
        self.numbers = list(by_voice.values())
        self.weights = voice_weights(list(by_voice), shares)
        self.max_tokens, self.name = round(longest_seconds / TOKEN_SECONDS), name
        self.latest: tuple[int, list[list[Clip]]] | None = None

    def clips(self, step: int, batch_size: int) -> list[Clip]:
        """Return the clips of a step."""
        number, within = divmod(step, STEPS_PER_ROUND)
        if self.latest is None or self.latest[0] != number:
            self.latest = number, self._round(number, batch_size)
        return self.latest[1][within]

    def _round(self, number: int, batch_size: int) -> list[list[Clip]]:
        random = np.random.default_rng(derive_seed(f"{self.name} clips", number))
        drawn = sorted(
            (self._clip(random) for _ in range(STEPS_PER_ROUND * batch_size)), key=lambda clip: clip.n_frames
        )
        steps = [drawn[i : i + batch_size] for i in range(0, len(drawn), batch_size)]
        return [steps[i] for i in random.permutation(STEPS_PER_ROUND)]

    def _clip(self, random: np.random.Generator) -> Clip:
        numbers = self.numbers[random.choice(len(self.numbers), p=self.weights)]
        number = numbers[random.integers(len(numbers))]
        return Clip(number, crop(self.pieces[number], self.max_tokens, random))


def held_out_clips(rows: Sequence[Mapping], held_out: Collection[str], longest_seconds: float, n: int) -> list[Clip]:
    """Return n held-out utterances of all synthetic voices in turn, the shortest first. Of longer ones, the start."""
    max_tokens = round(longest_seconds / TOKEN_SECONDS)
    by_voice: dict[str, list[Clip]] = {}
    for number, row in enumerate(rows):
        if row["name"] in held_out:
            piece = piece_from_row(row)
            if len(piece.tokens) > max_tokens:
                piece = cut(piece, 0, max_tokens)
            by_voice.setdefault(row["voice"], []).append(Clip(number, piece))
    turns = zip_longest(*by_voice.values())
    return sorted(islice((clip for turn in turns for clip in turn if clip), n), key=lambda clip: clip.n_frames)
