"""Stage gpt: the GPT learns to say texts in semantic tokens.

    python -m starter.gpt

From random weights. That it reads the text at all is the hard part: without help it learns to continue tokens and
ignores the phonemes for hours. Short pieces at first, and one head in each of three layers that is shown which phoneme
each token says, make it read within minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpt_sovits.determinism import deterministic
from gpt_sovits.gpt.loss import token_loss
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.text.symbols import SYMBOLS
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.gpt_batches import Batches, Piece, TrainingBatch, collate, followed, tail, whole
from starter.gpt_forward import aligned, forward, guided_loss
from starter.gpt_speech import by_voice, phone_of, phones_of_tokens, speech_scores
from starter.phones import NUMBER_OF
from starter.settings import GPTSettings, load_settings, stage_folder
from starter.tokens import TOKEN_SECONDS, read_tokens
from starter.training import Average, Losses, step_of, train

EVALUATED_AT_ONCE = 20
OWN_SHARE = 0.25  # of the variance of an embedding at the start that is its own and not its phone's
PROMPT_SECONDS = 2.5  # in evaluation


def guided_weight(settings: GPTSettings, step: int) -> float:
    """Falls from the first to the second of settings.guided_weight as half a cosine."""
    first, last = settings.guided_weight
    done = min(1.0, step / (settings.guided_share * settings.n_steps))
    return last + (first - last) * (0.5 + 0.5 * float(np.cos(np.pi * done)))


def start_embeddings(gpt: GPT, phones: np.ndarray) -> None:
    """Symbols and tokens of one phone start near one vector, so that attention finds them by their likeness.

    phones: the phone of each token, see phones_of_tokens
    """
    of_symbol = torch.tensor([NUMBER_OF[phone_of(symbol)] for symbol in SYMBOLS[: gpt.config.phoneme_vocab_size]])
    centres = torch.randn(len(NUMBER_OF), gpt.config.hidden_size)
    with torch.no_grad():
        for embedding, numbers in (
            (gpt.ar_text_embedding.word_embeddings.weight, of_symbol),
            (gpt.ar_audio_embedding.word_embeddings.weight[:-1], torch.from_numpy(phones)),
        ):
            embedding.mul_(OWN_SHARE**0.5).add_((1 - OWN_SHARE) ** 0.5 * centres[numbers])


class Trainer:
    """A GPT with everything that is there only to train and judge it.

    training: voice -> pieces; held_out: pieces of each voice that are never trained on, the texts in one order
    """

    def __init__(
        self, training: Mapping[str, Sequence[Piece]], held_out: Mapping[str, Sequence[Piece]], settings: GPTSettings
    ) -> None:
        self.settings = settings
        self.guided = dict.fromkeys(settings.guided_now, False) | dict.fromkeys(settings.guided_next, True)
        self.judged = settings.guided_next[-1]
        self.batches = Batches(training, settings)
        self.gpt = GPT(GPTConfig(**settings.network)).train()
        if self.gpt.config.dropout:
            raise ValueError(f"gpt.network.dropout is {self.gpt.config.dropout}; this training has none: set it to 0")
        n = self.gpt.config.eos_token
        self.phones = phones_of_tokens([piece for pieces in training.values() for piece in pieces], n)
        start_embeddings(self.gpt, self.phones)
        self.average = Average(self.gpt, settings.average_decay)
        self.optimizer = torch.optim.AdamW(
            self.gpt.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )
        voices = list(held_out.values())
        chosen = [(v, i) for i in range(len(voices[0])) for v in voices][: settings.n_evaluated]
        self.pieces = [voice[i] for voice, i in chosen]
        self.others = [voice[(i + 1) % len(voice)] for voice, i in chosen]

    def learn(self, batch: TrainingBatch, step: int) -> Losses:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bf16"):
            hidden, guided = forward(self.gpt, batch, self.guided)
            logits = self.gpt.logits(hidden)
        loss = token_loss(logits, batch.targets).mean
        guidance = torch.stack([guided_loss(guided[layer], batch, self.guided[layer]) for layer in self.guided]).mean()
        weight = guided_weight(self.settings, step)
        norm = step_of(self.optimizer, loss + weight * guidance, self.settings.gradient_clip_norm)
        self.average.follow(self.gpt, step)
        return {"loss": loss.item(), "guidance": guidance.item(), "norm": norm}

    @torch.no_grad()
    def evaluate(self) -> Losses:
        """Cross entropy with the right text and with another, alone and after a prompt, and the alignment."""
        prompted = [
            followed(tail(other, round(PROMPT_SECONDS / TOKEN_SECONDS)), piece)
            for piece, other in zip(self.pieces, self.others, strict=True)
        ]
        scores = self._losses("", self.pieces) | self._losses("_prompted", prompted)
        wrong = [
            replace(piece, phonemes=other.phonemes, places=np.zeros_like(piece.places))
            for piece, other in zip(self.pieces, [*self.pieces[1:], self.pieces[0]], strict=True)
        ]
        return scores | {"loss_wrong_text": self._losses("", wrong)["loss"]}

    def _losses(self, suffix: str, pieces: Sequence[Piece]) -> Losses:
        total = n_tokens = near = n_places = 0
        order = sorted(pieces, key=lambda piece: piece.size)
        for first in range(0, len(order), EVALUATED_AT_ONCE):
            batch = collate(order[first : first + EVALUATED_AT_ONCE], self.gpt.config.eos_token)
            hidden, guided = forward(self.average.module, batch, [self.judged])
            loss = token_loss(self.average.module.logits(hidden), batch.targets)
            total, n_tokens = total + float(loss.total), n_tokens + int(loss.n_tokens)
            counts = aligned(guided[self.judged], batch)
            near, n_places = near + counts[0], n_places + counts[1]
        return {f"loss{suffix}": total / n_tokens, f"alignment{suffix}": near / n_places}

    def speak(self) -> Losses:
        n = self.settings.n_spoken
        return speech_scores(self.average.module, self.pieces[:n], self.others[:n], self.phones, PROMPT_SECONDS)

    def run(self, folder: Path, belongs_to: Mapping[str, Any]) -> GPT:
        """Train; returns the average of the weights."""

        def evaluate(step: int) -> Losses:
            n = step // self.settings.evaluate_every
            speaks = step == self.settings.n_steps or n % self.settings.speak_every == 0
            return self.evaluate() | (self.speak() if speaks else {})

        train(
            "gpt",
            self.settings,
            {"gpt": self.gpt, "average": self.average.module},
            {"adamw": self.optimizer},
            self.batches.batch,
            self.learn,
            evaluate,
            folder,
            belongs_to,
        )
        return self.average.module


def main() -> None:
    settings = load_settings()
    n_common = settings.corpus.n_common
    voices = {name: [whole(row) for row in rows] for name, rows in by_voice(read_tokens()).items()}
    training = {name: pieces[:-n_common] for name, pieces in voices.items()}
    held_out = {name: pieces[-n_common:] for name, pieces in voices.items()}
    with deterministic(settings.gpt.seed, settings.gpt.n_threads):
        trainer = Trainer(training, held_out, settings.gpt)
        gpt = trainer.run(stage_folder("gpt"), {"voices": {name: len(pieces) for name, pieces in training.items()}})
        save_checkpoint(stage_folder("gpt") / "gpt", "gpt", gpt.config.to_dict(), gpt.state_dict())


if __name__ == "__main__":
    main()
