"""Utterances as pieces that the GPT reads: whole, cut at the borders of phones, or after a prompt of the same voice.

A piece is laid out as gpt_sovits.gpt.generation.Prompt has it: the phonemes of the prompt and of the target, then the
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
from starter.tokens import TOKEN_SECONDS

MARKS = frozenset(SYMBOL_IDS[mark] for mark in PUNCTUATION)
FULL_STOP = SYMBOL_IDS["."]
STEPS_A_ROUND = 16  # pieces are drawn for so many steps at once and dealt out by length, so that little is padding
NO_PLACE = -1


@dataclass(frozen=True)
class Piece:
    """phonemes: (X,), tokens: (Y,) int64; places: (Y,) which of the phonemes each token says
    is_whole: the speech ends with the last token; before: phonemes and tokens that went before, for the positions"""

    phonemes: np.ndarray
    tokens: np.ndarray
    places: np.ndarray
    is_whole: bool = True
    before: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        return len(self.phonemes) + len(self.tokens)


def whole(row: Mapping[str, Any]) -> Piece:
    """A row of tokens.jsonl. The text ends in a mark, as every text does that is spoken: see synthesis.finished."""
    phonemes = list(row["phoneme_ids"])
    if phonemes[-1] not in MARKS:
        phonemes.append(FULL_STOP)
    return Piece(np.array(phonemes), np.array(row["tokens"]), np.array(row["places"]))


def cut(piece: Piece, start: int, end: int) -> Piece:
    """Tokens start to end and the phonemes said in them, with what is not heard at the piece's own end."""
    first = 0 if start == 0 else int(piece.places[start])
    last = len(piece.phonemes) if end == len(piece.tokens) else int(piece.places[end - 1]) + 1
    return Piece(
        piece.phonemes[first:last],
        piece.tokens[start:end],
        piece.places[start:end] - first,
        piece.is_whole and start == 0 and end == len(piece.tokens),
        (piece.before[0] + first, piece.before[1] + start),
    )


def borders(piece: Piece) -> np.ndarray:
    """Where a phone begins: numbers of tokens, with 0 and the end."""
    inner = np.flatnonzero(np.diff(piece.places)) + 1
    return np.concatenate(([0], inner, [len(piece.tokens)]))


def crop(piece: Piece, most: int, random: np.random.Generator) -> Piece:
    """At most `most` tokens from one border of phones to another; the piece itself where it is short enough."""
    n = len(piece.tokens)
    if n <= most:
        return piece
    at = borders(piece)
    starts = at[at <= n - most // 2]
    start = int(random.choice(starts))
    ends = at[(at > start) & (at <= start + most)]
    return cut(piece, start, int(ends[-1])) if len(ends) else cut(piece, start, int(at[at > start][0]))


def tail(piece: Piece, most: int) -> Piece:
    """The longest end of at most `most` tokens that begins with a phone."""
    at = borders(piece)
    return cut(piece, int(at[np.searchsorted(at, len(piece.tokens) - most)]), len(piece.tokens))


def followed(prompt: Piece, target: Piece, n_silence: int = 0) -> Piece:
    """The target after a prompt, whose last token is said n_silence times more."""
    silence = np.full(n_silence, prompt.tokens[-1]), np.full(n_silence, len(prompt.phonemes) - 1)
    return Piece(
        np.concatenate((prompt.phonemes, target.phonemes)),
        np.concatenate((prompt.tokens, silence[0], target.tokens)),
        np.concatenate((prompt.places, silence[1], target.places + len(prompt.phonemes))),
        target.is_whole,
    )


@dataclass(frozen=True)
class TrainingBatch:
    """B pieces, padded on the right. inputs are the tokens read, some of them wrong; targets the ones to predict, with
    EOS after whole utterances alone; places: NO_PLACE in padding; before: (B, 2) phonemes and tokens before each."""

    phoneme_ids: Tensor  # (B, X)
    phoneme_lengths: Tensor  # (B,)
    inputs: Tensor  # (B, Y)
    token_lengths: Tensor  # (B,)
    targets: Tensor  # (B, Y+1)
    places: Tensor  # (B, Y)
    before: Tensor  # (B, 2)


def collate(pieces: Sequence[Piece], eos_token: int, inputs: Sequence[np.ndarray] | None = None) -> TrainingBatch:
    """inputs: what is read in place of each piece's own tokens."""

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
    """The batch of each step, which follows from the step's number alone."""

    def __init__(self, voices: Mapping[str, Sequence[Piece]], settings: GPTSettings) -> None:
        self.voices, self.settings = list(voices.values()), settings
        sizes = np.array([len(voice) for voice in self.voices], dtype=float)
        self.shares = sizes / sizes.sum()
        self.eos_token = settings.network["vocab_size"] - 1
        self.latest: tuple[int, list[list[Piece]]] | None = None

    def phase(self, step: int) -> GPTPhase:
        ends = np.cumsum([phase.share for phase in self.settings.phases]) * self.settings.n_steps
        return self.settings.phases[min(int(np.searchsorted(ends, step, side="right")), len(ends) - 1)]

    def batch(self, step: int) -> TrainingBatch:
        number, within = divmod(step, STEPS_A_ROUND)
        if self.latest is None or self.latest[0] != number:
            self.latest = number, self._round(number)
        pieces = self.latest[1][within]
        random = np.random.default_rng(derive_seed("gpt noise", step))
        return collate(pieces, self.eos_token, [self._disturbed(piece.tokens, random) for piece in pieces])

    def _round(self, number: int) -> list[list[Piece]]:
        """The pieces of each of the round's steps: about as many places in each, and of about one length."""
        random = np.random.default_rng(derive_seed("gpt pieces", number))
        phase = self.phase(number * STEPS_A_ROUND)
        pieces, total, wanted = [], 0, STEPS_A_ROUND * self.settings.batch_size
        while total < wanted or len(pieces) < STEPS_A_ROUND:
            pieces.append(self._piece(phase, random))
            total += pieces[-1].size
        pieces.sort(key=lambda piece: piece.size)
        middles = np.cumsum([piece.size for piece in pieces]) - 0.5 * np.array([piece.size for piece in pieces])
        dealt: list[list[Piece]] = [[] for _ in range(STEPS_A_ROUND)]
        for piece, middle in zip(pieces, middles, strict=True):
            dealt[int(middle / total * STEPS_A_ROUND)].append(piece)
        filled = [pieces for pieces in dealt if pieces]
        order = random.permutation(STEPS_A_ROUND)
        return [filled[i % len(filled)] for i in order]

    def _piece(self, phase: GPTPhase, random: np.random.Generator) -> Piece:
        voice = self.voices[random.choice(len(self.voices), p=self.shares)]
        piece = crop(voice[random.integers(len(voice))], round(phase.longest_seconds / TOKEN_SECONDS), random)
        if random.random() < phase.pairs:
            seconds = random.uniform(*self.settings.prompt_seconds)
            prompt = tail(voice[random.integers(len(voice))], round(seconds / TOKEN_SECONDS))
            piece = followed(prompt, piece, int(random.integers(self.settings.prompt_silence + 1)))
        return self._moved(piece, random)

    def _moved(self, piece: Piece, random: np.random.Generator) -> Piece:
        """Some pieces keep the positions that they have in their utterance, after more that was said before it."""
        if random.random() >= self.settings.moved_share:
            return replace(piece, before=(0, 0))
        n_tokens = int(random.integers(self.settings.largest_move + 1))
        n_phonemes = round(n_tokens * len(piece.phonemes) / len(piece.tokens))
        return replace(piece, before=(piece.before[0] + n_phonemes, piece.before[1] + n_tokens))

    def _disturbed(self, tokens: np.ndarray, random: np.random.Generator) -> np.ndarray:
        is_wrong = random.random(len(tokens)) < self.settings.noise
        return np.where(is_wrong, random.integers(self.eos_token, size=len(tokens)), tokens)
