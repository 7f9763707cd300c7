"""Free speech of the GPT: its tokens as phones, compared with the phones of the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.model import GPT
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.text.symbols import SYMBOLS
from starter.gpt_batches import Piece, tail
from starter.phones import NUMBER_OF, SILENCE
from starter.tokens import TOKEN_SECONDS
from starter.training import Losses

SAMPLING = SamplingOptions(temperature=0.5, repetition_penalty=1.0)
N_EDGE = 2  # tokens at either end of an utterance that are always silence
LONGEST = 3.0  # speech is cut at this multiple of the true length


def symbol_phone(symbol: str) -> str:
    """Return the phone of a symbol of the front end, without stress. Punctuation is silence."""
    name = symbol.rstrip("012").lower()
    return name if name in NUMBER_OF else SILENCE


def most_frequent_phones(pieces: Sequence[Piece], n_tokens: int) -> np.ndarray:
    """Return (n_tokens,): the number of the phone that each token occurs in most often. Unseen tokens are silence."""
    of_symbol = np.array([NUMBER_OF[symbol_phone(symbol)] for symbol in SYMBOLS])
    counts = np.zeros((n_tokens, len(NUMBER_OF)))
    for piece in pieces:
        phones = of_symbol[piece.phonemes[piece.places]]
        phones[:N_EDGE] = phones[-N_EDGE:] = NUMBER_OF[SILENCE]
        np.add.at(counts, (piece.tokens, phones), 1)
    return counts.argmax(axis=1)


def spoken_phones(tokens: Sequence[int] | np.ndarray, phones: np.ndarray) -> list[int]:
    """Return the numbers of the phones of these tokens, each run once, without silence."""
    runs = phones[np.asarray(tokens, dtype=int)]
    starts = np.ones(len(runs), dtype=bool)
    starts[1:] = runs[1:] != runs[:-1]
    return [int(phone) for phone in runs[starts] if phone != NUMBER_OF[SILENCE]]


def written_phones(piece: Piece) -> list[int]:
    """Return the numbers of the phones of the text, without silence."""
    phones = [NUMBER_OF[symbol_phone(SYMBOLS[number])] for number in piece.phonemes]
    return [phone for phone in phones if phone != NUMBER_OF[SILENCE]]


def phone_error(spoken: Sequence[Sequence[int] | np.ndarray], pieces: Sequence[Piece], phones: np.ndarray) -> float:
    """Return the edits per phone of the texts.

    Args:
        spoken: The tokens spoken for each piece.
        pieces: The pieces with the texts.
        phones: The phone of each token, see most_frequent_phones.
    """
    edits = [
        Levenshtein.distance(spoken_phones(t, phones), written_phones(p)) for t, p in zip(spoken, pieces, strict=True)
    ]
    return sum(edits) / sum(len(written_phones(piece)) for piece in pieces)


def speak(model: GPT, pieces: Sequence[Piece], prompts: Sequence[Piece] | None = None) -> list[np.ndarray]:
    """Return the tokens that the model says for each piece's phonemes.

    Args:
        model: The GPT.
        pieces: The texts. Their tokens only limit the length of the speech.
        prompts: A prompt for each piece, or None to speak without prompts.
    """
    starts = []
    for number, piece in enumerate(pieces):
        phonemes, tokens = piece.phonemes, piece.tokens[:0]
        if prompts is not None:
            phonemes = np.concatenate((prompts[number].phonemes, phonemes))
            tokens = prompts[number].tokens
        starts.append(Prompt(torch.from_numpy(phonemes), torch.from_numpy(tokens)))
    longest = round(LONGEST * max(len(piece.tokens) for piece in pieces))
    generated = generate(model, starts, list(range(len(starts))), SAMPLING, max_tokens=longest)
    return [
        one.tokens.numpy()[: round(LONGEST * len(piece.tokens))] for one, piece in zip(generated, pieces, strict=True)
    ]


def speech_scores(
    model: GPT, pieces: Sequence[Piece], others: Sequence[Piece], phones: np.ndarray, prompt_seconds: float = 2.5
) -> Losses:
    """Return phone error and relative length of free speech with and without prompts, and the true tokens' error.

    Args:
        model: The GPT.
        pieces: The texts and their true tokens.
        others: For each piece another utterance of its voice, whose end is the prompt.
        phones: The phone of each token, see most_frequent_phones.
        prompt_seconds: Length of the prompts.
    """
    prompts = [tail(other, round(prompt_seconds / TOKEN_SECONDS)) for other in others]
    scores = {"phone_error_true": phone_error([piece.tokens for piece in pieces], pieces, phones)}
    for name, spoken in {"spoken": speak(model, pieces), "prompted": speak(model, pieces, prompts)}.items():
        scores[f"phone_error_{name}"] = phone_error(spoken, pieces, phones)
        scores[f"length_{name}"] = sum(map(len, spoken)) / sum(len(piece.tokens) for piece in pieces)
    return scores
