"""Pieces of utterances that the GPT reads: whole, cut at phone borders, or after a prompt of the same voice.

A piece has the layout of gpt_sovits.gpt.generation.Prompt: the phonemes of the prompt and of the target, then the
tokens of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.loss import IGNORED_TARGET, next_token_targets
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS
from starter.settings import GPTPhase, GPTSettings
from starter.sovits_data import voice_weights
from starter.tokens import TOKEN_SECONDS
from starter.voices import PEOPLE

MARKS = frozenset(SYMBOL_IDS[mark] for mark in PUNCTUATION)
FULL_STOP = SYMBOL_IDS["."]
STEPS_PER_ROUND = 16  # pieces are drawn for this many steps at once and sorted by length, which saves padding
NO_PLACE = -1


@dataclass(frozen=True)
class Piece:
    """Phonemes and the tokens that say them.

    Attributes:
        phonemes: (X,) int64 ids of symbols.
        tokens: (Y,) int64 semantic tokens.
        places: (Y,) the index of the phoneme that each token says.
        is_whole: The speech ends with the last token.
        before: Numbers of phonemes and tokens that come before the piece. They shift its positions.
    """

    phonemes: np.ndarray
    tokens: np.ndarray
    places: np.ndarray
    is_whole: bool = True
    before: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        """Number of phonemes and tokens."""
        return len(self.phonemes) + len(self.tokens)


def piece_from_row(row: Mapping[str, Any]) -> Piece:
    """Return a row of tokens.jsonl as a piece. Its text ends in punctuation, as in synthesis (see `finished`)."""
    phonemes = list(row["phoneme_ids"])
    if phonemes[-1] not in MARKS:
        phonemes.append(FULL_STOP)
    return Piece(np.array(phonemes), np.array(row["tokens"]), np.array(row["places"]))


def cut(piece: Piece, start: int, end: int) -> Piece:
    """Return the tokens from `start` to before `end` with the phonemes that they say.

    Args:
        piece: The piece to cut. Phonemes at its end that no token says stay with its last token.
        start: The first token.
        end: The token after the last one.
    """
    first = 0 if start == 0 else int(piece.places[start])
    last = len(piece.phonemes) if end == len(piece.tokens) else int(piece.places[end - 1]) + 1
    return Piece(
        piece.phonemes[first:last],
        piece.tokens[start:end],
        piece.places[start:end] - first,
        piece.is_whole and start == 0 and end == len(piece.tokens),
        (piece.before[0] + first, piece.before[1] + start),
    )


def phone_borders(piece: Piece) -> np.ndarray:
    """Return the indices of the tokens at which a phone begins, with 0 and the number of tokens."""
    inner = np.flatnonzero(np.diff(piece.places)) + 1
    return np.concatenate(([0], inner, [len(piece.tokens)]))


def crop(piece: Piece, max_tokens: int, random: np.random.Generator) -> Piece:
    """Return a random part of the piece from one phone border to another, or the piece itself if it is short enough.

    Args:
        piece: The piece to crop.
        max_tokens: The most tokens of the part. Only a single phone may be longer.
        random: The source of the random choice.
    """
    n = len(piece.tokens)
    if n <= max_tokens:
        return piece
    borders = phone_borders(piece)
    starts = borders[borders <= n - max_tokens // 2]
    start = int(random.choice(starts))
    ends = borders[(borders > start) & (borders <= start + max_tokens)]
    return cut(piece, start, int(ends[-1]) if len(ends) else int(borders[borders > start][0]))


def tail(piece: Piece, max_tokens: int) -> Piece:
    """Return the longest end of the piece that begins at a phone border and has at most `max_tokens` tokens.

    Only its last phone may be longer.
    """
    borders = phone_borders(piece)
    position = min(int(np.searchsorted(borders, len(piece.tokens) - max_tokens)), len(borders) - 2)
    return cut(piece, int(borders[position]), len(piece.tokens))


def join_prompt(prompt: Piece, target: Piece, n_silence: int = 0) -> Piece:
    """Return the target after a prompt, whose last token is repeated `n_silence` times."""
    silence = np.full(n_silence, prompt.tokens[-1]), np.full(n_silence, len(prompt.phonemes) - 1)
    return Piece(
        np.concatenate((prompt.phonemes, target.phonemes)),
        np.concatenate((prompt.tokens, silence[0], target.tokens)),
        np.concatenate((prompt.places, silence[1], target.places + len(prompt.phonemes))),
        target.is_whole,
    )


@dataclass(frozen=True)
class TrainingBatch:
    """B pieces of at most X phonemes and Y tokens, padded on the right."""

    phoneme_ids: Tensor  # (B, X)
    phoneme_lengths: Tensor  # (B,)
    inputs: Tensor  # (B, Y) tokens to read, some of them wrong
    token_lengths: Tensor  # (B,)
    targets: Tensor  # (B, Y+1) tokens to predict, with EOS after whole utterances only
    places: Tensor  # (B, Y) phoneme that each token says, NO_PLACE in padding
    before: Tensor  # (B, 2) numbers of phonemes and tokens before the piece


def collate(pieces: Sequence[Piece], eos_token: int, inputs: Sequence[np.ndarray] | None = None) -> TrainingBatch:
    """Return pieces as a batch.

    Args:
        pieces: B pieces.
        eos_token: The token that ends speech, and the padding of tokens.
        inputs: Tokens to read in place of each piece's own, or None.
    """

    def padded(rows: Iterable[np.ndarray], fill: int) -> Tensor:
        return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=fill)

    lengths = torch.tensor([len(piece.tokens) for piece in pieces])
    tokens = padded((piece.tokens for piece in pieces), eos_token)
    targets = next_token_targets(tokens, lengths, eos_token)
    for row, piece in zip(targets, pieces, strict=True):
        if not piece.is_whole:
            row[len(piece.tokens)] = IGNORED_TARGET
    return TrainingBatch(
        padded((piece.phonemes for piece in pieces), 0),
        torch.tensor([len(piece.phonemes) for piece in pieces]),
        tokens if inputs is None else padded(inputs, eos_token),
        lengths,
        targets,
        padded((piece.places for piece in pieces), NO_PLACE),
        torch.tensor([piece.before for piece in pieces]),
    )


class Batches:
    """Random batches of pieces. The batch of a step follows from the number of the step alone.

    Args:
        voices: The pieces to train on, by corpus.
        shares: Share of each kind of voices.
        settings: The section `gpt` of params.yaml.
    """

    def __init__(
        self, voices: Mapping[str, Sequence[Piece]], shares: Mapping[str, float], settings: GPTSettings
    ) -> None:
        self.voices, self.settings = list(voices.values()), settings
        self.weights = voice_weights(list(voices), shares)
        self.may_prompt = [name != PEOPLE for name in voices]  # of people there is one clip each
        self.eos_token = settings.network["vocab_size"] - 1
        self.latest: tuple[int, list[list[Piece]]] | None = None

    def phase(self, step: int) -> GPTPhase:
        """Return the phase of the training that a step belongs to."""
        ends = np.cumsum([phase.share for phase in self.settings.phases]) * self.settings.n_steps
        return self.settings.phases[min(int(np.searchsorted(ends, step, side="right")), len(ends) - 1)]

    def batch(self, step: int) -> TrainingBatch:
        """Return the batch of a step."""
        number, within = divmod(step, STEPS_PER_ROUND)
        if self.latest is None or self.latest[0] != number:
            self.latest = number, self._round(number)
        pieces = self.latest[1][within]
        random = np.random.default_rng(derive_seed("gpt noise", step))
        return collate(pieces, self.eos_token, [self._add_noise(piece.tokens, random) for piece in pieces])

    def _round(self, number: int) -> list[list[Piece]]:
        """Return the pieces of every step of a round: similar lengths within a step, similar sizes of all steps."""
        random = np.random.default_rng(derive_seed("gpt pieces", number))
        phase = self.phase(number * STEPS_PER_ROUND)
        pieces, total, wanted = [], 0, STEPS_PER_ROUND * self.settings.batch_size
        while total < wanted or len(pieces) < STEPS_PER_ROUND:
            pieces.append(self._piece(phase, random))
            total += pieces[-1].size
        pieces.sort(key=lambda piece: piece.size)
        middles = np.cumsum([piece.size for piece in pieces]) - 0.5 * np.array([piece.size for piece in pieces])
        dealt: list[list[Piece]] = [[] for _ in range(STEPS_PER_ROUND)]
        for piece, middle in zip(pieces, middles, strict=True):
            dealt[int(middle / total * STEPS_PER_ROUND)].append(piece)
        filled = [pieces for pieces in dealt if pieces]
        order = random.permutation(STEPS_PER_ROUND)
        return [filled[i % len(filled)] for i in order]

    def _piece(self, phase: GPTPhase, random: np.random.Generator) -> Piece:
        number = random.choice(len(self.voices), p=self.weights)
        voice = self.voices[number]
        target = int(random.integers(len(voice)))
        piece = crop(voice[target], round(phase.longest_seconds / TOKEN_SECONDS), random)
        if self.may_prompt[number] and random.random() < phase.pairs:
            seconds = random.uniform(*self.settings.prompt_seconds)
            other = (target + int(random.integers(1, len(voice)))) % len(voice)  # never the target itself
            prompt = tail(voice[other], round(seconds / TOKEN_SECONDS))
            piece = join_prompt(prompt, piece, int(random.integers(self.settings.prompt_silence + 1)))
        return self._shift_positions(piece, random)

    def _shift_positions(self, piece: Piece, random: np.random.Generator) -> Piece:
        """Let some pieces keep the positions in their utterance, and place that behind earlier speech."""
        if random.random() >= self.settings.moved_share:
            return replace(piece, before=(0, 0))
        n_tokens = int(random.integers(self.settings.largest_move + 1))
        n_phonemes = round(n_tokens * len(piece.phonemes) / len(piece.tokens))
        return replace(piece, before=(piece.before[0] + n_phonemes, piece.before[1] + n_tokens))

    def _add_noise(self, tokens: np.ndarray, random: np.random.Generator) -> np.ndarray:
        is_wrong = random.random(len(tokens)) < self.settings.noise
        return np.where(is_wrong, random.integers(self.eos_token, size=len(tokens)), tokens)
