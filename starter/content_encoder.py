"""Stage content_encoder: a head on a frozen Whisper learns the phone of each 20 ms, and one aligner labels all speech.

    python -m starter.content_encoder

Labels of different makers disagree by whole frames. So all of them come from heads of this stage, in three rounds:

    1   learns from people that pocketsphinx aligned, and aligns the texts of all speech
    2   learns from those labels, and aligns all speech again: the final labels
    3   learns longer from the final labels: the result

The heads read crops of Whisper's hidden states, clean and disturbed, which hidden_states.py keeps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.content_encoder.encoder import build_content_encoder
from gpt_sovits.content_encoder.whisper import WhisperHeadConfig, WhisperPosteriors
from gpt_sovits.content_encoder.whisper_weights import WHISPERS
from gpt_sovits.determinism import derive_seed, deterministic
from starter import voices
from starter.aligner import Alignment, align_text
from starter.hidden_states import (
    CLEAN,
    DISTURBED,
    FRAME_SECONDS,
    HiddenStates,
    check_corpora,
    clean_waveform,
    compute_states,
    held_out_corpora,
    read_states,
    training_corpora,
)
from starter.phones import PHONES
from starter.settings import ContentEncoderSettings, load_settings, stage_folder
from starter.store import Utterance
from starter.training import Average, Losses, Task, optimizer_step, save_network, train

NO_LABEL = -100  # of frames behind the end of an utterance
Heard = list[tuple[Tensor, np.ndarray]]  # (1, n_frames, width) states and (n_frames,) phones of each utterance


@dataclass(frozen=True)
class Source:
    """A corpus that a head learns from.

    Attributes:
        kind: Its kind, see voices.kind_of.
        utterances: Utterances with labels.
        clean: Their states.
        disturbed: The states of their disturbed copies.
    """

    kind: str
    utterances: Sequence[Utterance]
    clean: HiddenStates
    disturbed: HiddenStates


class Crops:
    """Batches of crops of hidden states with one phone per frame. The batch of a step is always the same."""

    def __init__(
        self, sources: Sequence[Source], settings: ContentEncoderSettings, shares: Mapping[str, float]
    ) -> None:
        self.settings = settings
        self.kinds = sorted({source.kind for source in sources})
        self.sources = {kind: [source for source in sources if source.kind == kind] for kind in self.kinds}
        weights = np.array([shares[kind] for kind in self.kinds])
        self.shares = weights / weights.sum()
        self.n_frames = round(settings.crop_seconds / FRAME_SECONDS)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step: (B, n_frames, width) float32 and (B, n_frames) int64, NO_LABEL behind the end."""
        random = np.random.default_rng(derive_seed("content encoder", step))
        pairs = [self._crop(random) for _ in range(self.settings.batch_size)]
        return torch.from_numpy(np.stack([p[0] for p in pairs])), torch.from_numpy(np.stack([p[1] for p in pairs]))

    def _crop(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sources = self.sources[self.kinds[random.choice(len(self.kinds), p=self.shares)]]
        source = sources[random.integers(len(sources))]
        utterance = source.utterances[random.integers(len(source.utterances))]
        is_disturbed = random.random() < self.settings.disturbed_share
        states = source.disturbed if is_disturbed else source.clean
        span = states.spans[utterance.name]
        start = int(random.integers(0, max(1, span.n - self.n_frames + 1)))
        crop = states.of(utterance.name)[start : start + self.n_frames].astype(np.float32)
        # A frame of the copy is `ratio` frames of the utterance
        labels = utterance.labels(span.n, FRAME_SECONDS * span.ratio)[start : start + self.n_frames]
        n_missing = self.n_frames - len(crop)
        return (
            np.pad(crop, ((0, n_missing), (0, 0))),
            np.pad(labels.astype(np.int64), (0, n_missing), constant_values=NO_LABEL),
        )


def head_config(settings: ContentEncoderSettings) -> WhisperHeadConfig:
    """Return the config of the encoder with its head."""
    return WhisperHeadConfig(
        encoder_sha256=WHISPERS[settings.network["encoder"]].sha256,
        vocab_size=len(PHONES),
        id2label={str(number): phone for number, phone in enumerate(PHONES)},
        **settings.network,
    )


def hear_utterances(sets: Mapping[str, Sequence[Utterance]], states: Mapping[str, HiddenStates]) -> dict[str, Heard]:
    """Return the stored states and the labels of those utterances of each set that have labels.

    Args:
        sets: Utterances by set.
        states: The clean copy of each corpus that they are from.
    """
    of_name = {name: copy for copy in states.values() for name in copy.spans}
    heard: dict[str, Heard] = {}
    for key, utterances in sets.items():
        values = [(of_name[one.name].of(one.name).astype(np.float32), one) for one in utterances if one.phones]
        heard[key] = [(torch.from_numpy(x)[None], one.labels(len(x), FRAME_SECONDS)) for x, one in values]
    return {key: pairs for key, pairs in heard.items() if pairs}


@torch.no_grad()
def head_errors(encoder: WhisperPosteriors, heard: Mapping[str, Heard]) -> Losses:
    """Return the share of wrongly classified frames of each set."""
    errors = {}
    for name, pairs in heard.items():
        wrong = [encoder.classify(states)[0].argmax(dim=1).numpy() != labels for states, labels in pairs]
        errors[f"frame_error_{name}"] = float(np.concatenate(wrong).mean())
    return errors


@torch.no_grad()
def frame_errors(encoder: WhisperPosteriors, sets: Mapping[str, Sequence[Utterance]]) -> Losses:
    """Return the share of wrongly classified frames of each set of labelled utterances, undisturbed."""
    heard = {}
    for name, utterances in sets.items():
        states = [encoder.hidden(torch.from_numpy(clean_waveform(one))[None]) for one in utterances]
        heard[name] = [(x, one.labels(x.shape[1], FRAME_SECONDS)) for x, one in zip(states, utterances, strict=True)]
    return head_errors(encoder, heard)


def train_head(
    name: str, settings: ContentEncoderSettings, sources: Sequence[Source], heard: Mapping[str, Heard], folder: Path
) -> WhisperPosteriors:
    """Train a head and return the moving average of its weights, with the encoder.

    Args:
        name: Name of the training.
        settings: How to train.
        sources: What to learn from.
        heard: The sets that it is evaluated on.
        folder: Gets the state of the training and its curve.
    """
    crops = Crops(sources, settings, load_settings().shares)
    encoder = build_content_encoder(head_config(settings).to_dict())
    encoder.requires_grad_(True)
    average = Average(encoder, settings.average_decay)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay)

    def learn(batch: tuple[Tensor, Tensor], step: int) -> Losses:
        states = F.dropout(batch[0], settings.dropout)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
            logits = encoder.classify(states)
        loss = F.cross_entropy(
            logits.float().flatten(0, 1),
            batch[1].flatten(),
            ignore_index=NO_LABEL,
            label_smoothing=settings.label_smoothing,
        )
        norm = optimizer_step(optimizer, loss, settings.gradient_clip_norm)
        average.update(encoder, step)
        return {"loss": loss.item(), "norm": norm}

    labels = [[source.kind, *((one.name, one.phones) for one in source.utterances)] for source in sources]
    task = Task(
        name=name,
        settings=settings,
        modules={"encoder": encoder, "average": average.module},
        optimizers={"adamw": optimizer},
        make_batch=crops.batch,
        learn=learn,
        evaluate=lambda _: head_errors(average.module, heard),
        folder=folder,
        inputs={"labels": sha256(json.dumps(labels).encode()).hexdigest()},
    )
    train(task)
    return average.module


@torch.no_grad()
def align_utterances(
    encoder: WhisperPosteriors, utterances: Sequence[Utterance], states: HiddenStates
) -> dict[str, Alignment]:
    """Return the alignments of the utterances whose text can be aligned, by name."""
    found = {}
    for one in utterances:
        values = torch.from_numpy(states.of(one.name).astype(np.float32))[None]
        alignment = align_text(encoder.classify(values)[0].log_softmax(dim=1).numpy(), one.text, FRAME_SECONDS)
        if alignment is not None:
            found[one.name] = alignment
    return found


def align_corpora(
    encoder: WhisperPosteriors,
    corpora: Mapping[str, Sequence[Utterance]],
    states: Mapping[str, HiddenStates],
    least_score: float,
) -> dict[str, dict[str, Alignment]]:
    """Align all utterances, write the labels of those that agree with their texts, and print how many do not.

    Args:
        encoder: The aligner.
        corpora: All utterances by corpus.
        states: Their clean states by corpus.
        least_score: Utterances with a lower score are dropped.

    Returns:
        The alignments of each corpus by the name of the utterance, without those that were dropped.
    """
    began = time.monotonic()
    kept, counts = {}, {}
    for corpus, utterances in corpora.items():
        found = align_utterances(encoder, utterances, states[corpus])
        kept[corpus] = {name: one for name, one in found.items() if one.score >= least_score}
        kind = voices.kind_of(corpus) if corpus in training_corpora() else corpus
        n, n_kept, scores = counts.get(kind, (0, 0, []))
        counts[kind] = (n + len(utterances), n_kept + len(kept[corpus]), scores + [one.score for one in found.values()])
    for kind, (n, n_kept, scores) in counts.items():
        low, middle = np.quantile(scores, [0.02, 0.5])
        print(f"aligned: {kind}: {n_kept} of {n} kept, score: median {middle:.2f}, lowest fiftieth {low:.2f}")
    print(f"aligned: in {time.monotonic() - began:.0f} s", flush=True)
    return kept


def write_labels(corpus: str, alignments: Mapping[str, Alignment]) -> None:
    """Write the final labels of a corpus."""
    path = voices.labels_file(corpus)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"name": name, "phones": [[phone, round(end, 3)] for phone, end in one.phones], "score": round(one.score, 4)}
        for name, one in alignments.items()
    ]
    partial = path.with_suffix(".part")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)


def labelled(utterances: Sequence[Utterance], alignments: Mapping[str, Alignment]) -> list[Utterance]:
    """Return the utterances that have an alignment, with its phones."""
    return [replace(one, phones=alignments[one.name].phones) for one in utterances if one.name in alignments]


def main() -> None:
    """Label all speech in two rounds, train the final head on the labels, and save its average."""
    settings, folder = load_settings().content_encoder, stage_folder("content_encoder")
    names = [*training_corpora(), *held_out_corpora()]
    check_corpora(names)
    with deterministic(settings.seed, settings.n_threads):
        for name in names:
            compute_states(name)
        corpora = {name: voices.read_voice(name) for name in names}
        clean = {name: read_states(name, CLEAN) for name in names}
        disturbed = {name: read_states(name, DISTURBED) for name in training_corpora()}
        trained_on, held_out = voices.training_voices(), voices.held_out_sets()

        def sources(alignments: Mapping[str, Mapping[str, Alignment]]) -> list[Source]:
            found = {name: labelled(utterances, alignments[name]) for name, utterances in trained_on.items()}
            return [
                Source(voices.kind_of(name), utterances, clean[name], disturbed[name])
                for name, utterances in found.items()
                if utterances  # a voice may not have one that agrees with its text
            ]

        people = [one for one in trained_on[voices.PEOPLE] if one.phones]
        learned_from = [Source(voices.PEOPLE, people, clean[voices.PEOPLE], disturbed[voices.PEOPLE])]
        heard = hear_utterances(held_out, clean)  # with the labels of their makers
        for number, n_steps in enumerate(settings.round_steps, 1):
            of_round = settings.model_copy(update={"n_steps": n_steps, "evaluate_every": n_steps})
            head = train_head(
                f"content_encoder_round_{number}", of_round, learned_from, heard, folder / f"round_{number}"
            )
            alignments = align_corpora(head, corpora, clean, settings.least_score)
            learned_from = sources(alignments)
        for name, found in alignments.items():
            write_labels(name, found)
        by_name = {name: one for found in alignments.values() for name, one in found.items()}
        heard = hear_utterances({key: labelled(ones, by_name) for key, ones in held_out.items()}, clean)
        head = train_head("content_encoder", settings, learned_from, heard, folder)
    save_network(folder / "content_encoder", "content_encoder", head_config(settings).to_dict(), head.state_dict())


if __name__ == "__main__":
    main()
