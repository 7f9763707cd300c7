"""Checkpoint pairs on trial: they say prompts and are scored, and the best of them is chosen."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gpt_sovits.gpt.model import GPT
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_gpt, load_sovits
from gpt_sovits.weights.base import Base
from gpt_sovits.weights.checkpoint import load_checkpoint, save_checkpoint
from gpt_sovits.weights.interpolation import interpolate_states
from metrics.normalize import normalizer_of
from metrics.prompts import Prompt, PromptSet, selection_subset
from metrics.scores import LanguageScores, UtteranceScore
from stages.evaluation.inputs import SynthesisInputs
from stages.evaluation.scoring import ScoringContext, score_utterances
from stages.evaluation.selection import Epochs, choose_interpolation_weight, choose_pair, pair_row
from stages.evaluation.utterances import Speaker, UtteranceTiming, synthesize_prompts
from stages.execution.parallel import Map
from stages.sections.evaluation import Evaluate
from stages.tables import CheckpointPairRow

BASE_EPOCHS: Epochs = (0, 0)  # in the table of pairs: the base models, before adaptation


class CheckpointPair(NamedTuple):
    """The folders of two checkpoints that speak together."""

    gpt: Path
    sovits: Path


class CheckpointChoice(NamedTuple):
    """The checkpoint pair that the voice speaks with, and how it was chosen."""

    epochs: Epochs
    pair: CheckpointPair  # its SoVITS is interpolated where the weight is below 1
    interpolation_weight: float  # of the adapted SoVITS
    rows: list[CheckpointPairRow]  # the base first, then every pair in every rung, then every interpolation weight


@dataclass(frozen=True, eq=False)
class PromptScorer:
    """Synthesises prompts and scores them at the same time."""

    reference_clip_text: str
    scoring: ScoringContext
    workers: Map

    def score(
        self, synthesizer: Speaker, prompts: Sequence[Prompt], seeds: Sequence[int], folder: Path
    ) -> tuple[list[UtteranceScore], list[UtteranceTiming]]:
        """Synthesise and score every prompt with every seed.

        Args:
            synthesizer: the voice.
            prompts: what it says.
            seeds: sampling seeds.
            folder: gets the audio.

        Returns:
            Scores and timings, one row each per utterance.
        """
        begin = time.perf_counter()
        timings: list[UtteranceTiming] = []
        utterances = synthesize_prompts(
            synthesizer, prompts, seeds, folder, self.reference_clip_text, timings, self.scoring.language
        )
        rows = score_utterances(utterances, self.scoring, self.workers, n_utterances=len(prompts) * len(seeds))
        seconds = time.perf_counter() - begin
        print(
            f"evaluate: {len(rows)} utterances in {folder.name} synthesised and scored in {seconds:.0f} s", flush=True
        )
        return rows, timings

    def score_languages(
        self, synthesizer: Synthesizer, prompt_sets: Sequence[PromptSet], audio_dir: Path
    ) -> tuple[tuple[LanguageScores, ...], list[UtteranceTiming]]:
        """Synthesise and score the prompts of languages besides the voice's own.

        Args:
            synthesizer: the voice.
            prompt_sets: one set per language.
            audio_dir: gets the audio, in one folder language_CODE for each. It is the folder `audio` of the score
                folder.

        Returns:
            Scores, one part per language, and one timing per utterance.
        """
        parts, timings = [], []
        for prompts in prompt_sets:
            scorer = replace(self, scoring=replace(self.scoring, language=prompts.language))
            place = audio_dir / f"language_{prompts.language}"
            rows, more = scorer.score(synthesizer, prompts.prompts, prompts.seeds, place)
            normalizer = normalizer_of(prompts.language)
            parts.append(
                LanguageScores(
                    language=prompts.language,
                    normalizer=normalizer.name,
                    normalizer_version=normalizer.version,
                    prompts_sha256=prompts.sha256,
                    seeds=prompts.seeds,
                    rows=placed_in(rows, audio_dir),
                )
            )
            timings += more
        return tuple(parts), timings


def placed_in(rows: Sequence[UtteranceScore], audio_dir: Path) -> tuple[UtteranceScore, ...]:
    """Return rows whose audio is in a folder of the folder `audio`, which is an output of the stage as a whole."""
    return tuple(row.model_copy(update={"audio": f"{audio_dir.name}/{row.audio}"}) for row in rows)


@dataclass(frozen=True, eq=False)
class CheckpointTrials:
    """Scores checkpoints on prompts with one seed, for the rules in selection.py.

    Attributes:
        pairs: every pair by its epochs.
        inputs: what the pairs need in order to speak.
        scorer: synthesises and scores.
        seed: sampling seed of every utterance.
        audio_folder: gets the audio.
        interpolated_folder: gets the interpolated SoVITS checkpoints.
    """

    pairs: Mapping[Epochs, CheckpointPair]
    inputs: SynthesisInputs
    scorer: PromptScorer
    seed: int
    audio_folder: Path
    interpolated_folder: Path

    def score_pair(self, epochs: Epochs, prompts: Sequence[Prompt]) -> list[UtteranceScore]:
        """Score a pair of adapted checkpoints."""
        pair = self.pairs[epochs]
        return self._score(load_gpt(pair.gpt), load_sovits(pair.sovits), prompts)

    def score_base(self, prompts: Sequence[Prompt]) -> list[UtteranceScore]:
        """Score the base models, before adaptation."""
        return self._score(self.inputs.base.build_gpt(), self.inputs.base.build_sovits(), prompts)

    def score_weight(self, weight: float, epochs: Epochs, prompts: Sequence[Prompt]) -> list[UtteranceScore]:
        """Score a pair with this weight of its adapted SoVITS, the rest being the base's."""
        pair = self.interpolated_pair(epochs, weight)
        return self._score(load_gpt(pair.gpt), load_sovits(pair.sovits), prompts)

    def interpolated_pair(self, epochs: Epochs, weight: float) -> CheckpointPair:
        """Return a pair with this weight of its adapted SoVITS. Write the interpolated checkpoint if it is missing."""
        pair = self.pairs[epochs]
        if weight == 1:
            return pair
        return pair._replace(
            sovits=_interpolated_checkpoint(self.inputs.base, pair.sovits, weight, self.interpolated_folder)
        )

    def remove_files(self) -> None:
        """Remove the audio and the interpolated checkpoints, which only the selection needs."""
        for folder in (self.audio_folder, self.interpolated_folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _score(self, gpt: GPT, sovits: SoVITS, prompts: Sequence[Prompt]) -> list[UtteranceScore]:
        synthesizer = Synthesizer(gpt, sovits, self.inputs.reference, self.inputs.preset, lexicon=self.inputs.lexicon)
        return self.scorer.score(synthesizer, prompts, (self.seed,), self.audio_folder)[0]


def checkpoint_pairs(gpt_dir: Path, sovits_dir: Path) -> dict[Epochs, CheckpointPair]:
    """Combine every saved GPT checkpoint with every saved SoVITS checkpoint, earlier epochs first.

    Raises:
        ValueError: a folder holds no checkpoint.
    """
    folders = [sorted(folder.glob("epoch_[0-9]*")) for folder in (gpt_dir, sovits_dir)]
    for folder, checkpoints in zip((gpt_dir, sovits_dir), folders, strict=True):
        if not checkpoints:
            raise ValueError(f"{folder} holds no checkpoint (epoch_NNNN); run the adaptation again")
    return {(_epoch(gpt), _epoch(sovits)): CheckpointPair(gpt, sovits) for gpt, sovits in itertools.product(*folders)}


def choose_checkpoints(
    trials: CheckpointTrials, prompts: PromptSet, settings: Evaluate, recordings_similarity: float
) -> CheckpointChoice:
    """Choose the checkpoint pair and the interpolation weight by the rules in selection.py.

    Args:
        trials: scores the pairs.
        prompts: the fixed prompts.
        settings: the section `evaluate` of params.yaml.
        recordings_similarity: mean cosine of the speaker's held-out recordings, NaN where it could not be measured.
    """
    # 1. Choose the pair by successive halving.
    epochs, rows = choose_pair(
        list(trials.pairs),
        prompts.prompts,
        settings.n_selection_prompts,
        settings.similarity_tolerance,
        trials.score_pair,
    )
    # 2. Score the base on the prompts of the last rung.
    subset = selection_subset(prompts.prompts, rows[-1].n_prompts)
    before = pair_row(BASE_EPOCHS, rows[-1].rung, trials.score_base(subset))
    # 3. Interpolate the SoVITS with the base where adaptation raised the word error rate.
    weight, weight_rows = choose_interpolation_weight(
        before,
        next(row for row in reversed(rows) if row.kept),
        settings.interpolation_weights,
        settings.min_similarity_ratio * recordings_similarity,
        partial(trials.score_weight, epochs=epochs, prompts=subset),
    )
    return CheckpointChoice(epochs, trials.interpolated_pair(epochs, weight), weight, [before, *rows, *weight_rows])


def _epoch(folder: Path) -> int:
    return int(folder.name.removeprefix("epoch_"))


def _interpolated_checkpoint(base: Base, sovits_folder: Path, weight: float, folder: Path) -> Path:
    config, adapted = load_checkpoint(sovits_folder, "sovits")
    path = folder / f"{sovits_folder.name}_{weight!r}"  # in full, because two weights may round to the same
    if not path.is_dir():
        save_checkpoint(path, "sovits", config, interpolate_states(base.sovits_state, adapted, weight))
    return path
