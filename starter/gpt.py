"""Stage gpt: the GPT learns to say texts in semantic tokens.

    python -m starter.gpt

It starts from random weights. The hard part is that it reads the text at all: without help it learns to continue tokens
and ignores the phonemes for hours. Two aids make it read within minutes: short pieces at first, and a loss that shows
one head in each of three layers which phoneme each token says.
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
from starter.gpt_batches import Batches, Piece, TrainingBatch, collate, join_prompt, piece_from_row, tail
from starter.gpt_forward import count_aligned, forward, guided_loss
from starter.gpt_speech import most_frequent_phones, speech_scores, symbol_phone
from starter.phones import NUMBER_OF
from starter.settings import GPTSettings, load_settings, stage_folder
from starter.tokens import TOKEN_SECONDS, read_tokens
from starter.training import Average, Losses, Task, hash_inputs, optimizer_step, save_network, train
from starter.voices import held_out_names

EVALUATION_BATCH_SIZE = 20
OWN_SHARE = 0.25  # share of an embedding's initial variance that does not come from its phone
PROMPT_SECONDS = 2.5  # in evaluation


def guided_weight(settings: GPTSettings, step: int) -> float:
    """Return the weight of the guided loss, which falls along half a cosine between the two settings."""
    first, last = settings.guided_weight
    done = min(1.0, step / (settings.guided_share * settings.n_steps))
    return last + (first - last) * (0.5 + 0.5 * float(np.cos(np.pi * done)))


def initialize_embeddings(gpt: GPT, phones: np.ndarray) -> None:
    """Place symbols and tokens of one phone near one vector, so that attention finds them by their similarity.

    `phones` holds the number of the phone of each token, see most_frequent_phones.
    """
    of_symbol = torch.tensor([NUMBER_OF[symbol_phone(symbol)] for symbol in SYMBOLS[: gpt.config.phoneme_vocab_size]])
    centres = torch.randn(len(NUMBER_OF), gpt.config.hidden_size)
    with torch.no_grad():
        for embedding, numbers in (
            (gpt.ar_text_embedding.word_embeddings.weight, of_symbol),
            (gpt.ar_audio_embedding.word_embeddings.weight[:-1], torch.from_numpy(phones)),
        ):
            embedding.mul_(OWN_SHARE**0.5).add_((1 - OWN_SHARE) ** 0.5 * centres[numbers])


class Trainer:
    """A GPT with everything that only its training and evaluation need.

    Args:
        training: The pieces to train on, by corpus.
        held_out: The pieces that are never trained on, by corpus, with the texts in one order.
        shares: Share of each kind of voices.
        settings: The section `gpt` of params.yaml.
    """

    def __init__(
        self,
        training: Mapping[str, Sequence[Piece]],
        held_out: Mapping[str, Sequence[Piece]],
        shares: Mapping[str, float],
        settings: GPTSettings,
    ) -> None:
        self.settings = settings
        self.guided = dict.fromkeys(settings.guided_now, False) | dict.fromkeys(settings.guided_next, True)
        self.aligned_layer = settings.guided_next[-1]
        self.batches = Batches(training, shares, settings)
        self.gpt = GPT(GPTConfig(**settings.network)).train()
        if self.gpt.config.dropout:
            raise ValueError(
                f"gpt.network.dropout is {self.gpt.config.dropout}; set it to 0, because this training has no dropout"
            )
        n = self.gpt.config.eos_token
        self.phones = most_frequent_phones([piece for pieces in training.values() for piece in pieces], n)
        initialize_embeddings(self.gpt, self.phones)
        self.average = Average(self.gpt, settings.average_decay)
        self.optimizer = torch.optim.AdamW(
            self.gpt.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )
        voices = list(held_out.values())
        longest = max(map(len, voices))
        chosen = [(v, i) for i in range(longest) for v in voices if i < len(v)][: settings.n_evaluated]
        self.pieces = [voice[i] for voice, i in chosen]
        self.others = [voice[(i + 1) % len(voice)] for voice, i in chosen]

    def learn(self, batch: TrainingBatch, step: int) -> Losses:
        """Make one step of the optimiser."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bf16"):
            hidden, guided = forward(self.gpt, batch, self.guided)
            logits = self.gpt.logits(hidden)
        loss = token_loss(logits, batch.targets).mean
        guided_losses = [guided_loss(guided[layer], batch, ahead=ahead) for layer, ahead in self.guided.items()]
        guidance = torch.stack(guided_losses).mean()
        weight = guided_weight(self.settings, step)
        norm = optimizer_step(self.optimizer, loss + weight * guidance, self.settings.gradient_clip_norm)
        self.average.update(self.gpt, step)
        return {"loss": loss.item(), "guidance": guidance.item(), "norm": norm}

    @torch.no_grad()
    def evaluate(self) -> Losses:
        """Return cross entropy and alignment with and without a prompt, and cross entropy with a wrong text."""
        prompted = [
            join_prompt(tail(other, round(PROMPT_SECONDS / TOKEN_SECONDS)), piece)
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
        for first in range(0, len(order), EVALUATION_BATCH_SIZE):
            batch = collate(order[first : first + EVALUATION_BATCH_SIZE], self.gpt.config.eos_token)
            hidden, guided = forward(self.average.module, batch, [self.aligned_layer])
            loss = token_loss(self.average.module.logits(hidden), batch.targets)
            total, n_tokens = total + float(loss.total), n_tokens + int(loss.n_tokens)
            counts = count_aligned(guided[self.aligned_layer], batch)
            near, n_places = near + counts[0], n_places + counts[1]
        return {f"loss{suffix}": total / n_tokens, f"alignment{suffix}": near / n_places}

    def speak(self) -> Losses:
        """Return the scores of free speech of some held-out texts."""
        n = self.settings.n_spoken
        return speech_scores(self.average.module, self.pieces[:n], self.others[:n], self.phones, PROMPT_SECONDS)

    def run(self, folder: Path, inputs: Mapping[str, Any]) -> GPT:
        """Train and return the average of the weights. See Task for the arguments."""

        def evaluate(step: int) -> Losses:
            n = step // self.settings.evaluate_every
            speaks = step == self.settings.n_steps or n % self.settings.speak_every == 0
            return self.evaluate() | (self.speak() if speaks else {})

        task = Task(
            name="gpt",
            settings=self.settings,
            modules={"gpt": self.gpt, "average": self.average.module},
            optimizers={"adamw": self.optimizer},
            make_batch=self.batches.batch,
            learn=self.learn,
            evaluate=evaluate,
            folder=folder,
            inputs=inputs,
        )
        train(task)
        return self.average.module


def main() -> None:
    """Train the GPT and save the average of its weights."""
    settings, held_out_texts = load_settings(), held_out_names()
    training: dict[str, list[Piece]] = {}
    held_out: dict[str, list[Piece]] = {}
    for row in read_tokens():
        pieces = held_out if row["name"] in held_out_texts else training
        pieces.setdefault(row["voice"], []).append(piece_from_row(row))
    with deterministic(settings.gpt.seed, settings.gpt.n_threads):
        trainer = Trainer(training, held_out, settings.shares, settings.gpt)
        inputs = hash_inputs(stage_folder("tokens") / "tokens.jsonl") | {"shares": settings.shares}
        gpt = trainer.run(stage_folder("gpt"), inputs)
        save_network(stage_folder("gpt") / "gpt", "gpt", gpt.config.to_dict(), gpt.state_dict())


if __name__ == "__main__":
    main()
