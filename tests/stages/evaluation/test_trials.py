"""The choice of the checkpoints: what is scored, in which order, and which weights the voice gets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from imports import ROOT
from release_helpers import utterance
from sovits_tiny import TINY, tiny_sovits

from gpt_sovits.weights.checkpoint import checkpoint_sha256, load_checkpoint, save_checkpoint
from gpt_sovits.weights.interpolation import interpolate_states
from metrics.prompts import Prompt, PromptSet
from stages.evaluation.outputs import print_choice
from stages.evaluation.trials import BASE_EPOCHS, CheckpointPair, CheckpointTrials, checkpoint_pairs, choose_checkpoints
from stages.params import load_params

PROMPTS = PromptSet(
    language="en",
    version=1,
    seeds=(0,),
    prompts=tuple(
        Prompt(id=f"p{n:03d}", category="everyday", text=f"Line {'a' * n}.", normalized=f"line {'a' * n}")
        for n in range(1, 9)
    ),
    sha256="0" * 64,
)
SETTINGS = load_params(ROOT / "params.yaml").evaluate.model_copy(
    update={"n_selection_prompts": 4, "interpolation_weights": (0.5, 0.25), "min_similarity_ratio": 0.9}
)


class Trials:
    """Stands for CheckpointTrials: it counts errors that depend on the pair and on the weight."""

    def __init__(self, errors: dict[tuple[int, int], int], base_errors: int, weight_errors: dict[float, int]):
        self.pairs = {pair: CheckpointPair(Path(f"gpt{pair[0]}"), Path(f"sovits{pair[1]}")) for pair in errors}
        self.errors, self.base_errors, self.weight_errors = errors, base_errors, weight_errors

    def score_pair(self, epochs, prompts):
        return self._rows(self.errors[epochs], prompts)

    def score_base(self, prompts):
        return self._rows(self.base_errors, prompts)

    def score_weight(self, weight, epochs, prompts):
        assert self.errors[epochs] == min(self.errors.values()), "only the best pair is interpolated"
        return self._rows(self.weight_errors[weight], prompts)

    def interpolated_pair(self, epochs, weight):
        pair = self.pairs[epochs]
        return pair if weight == 1 else pair._replace(sovits=Path(f"{pair.sovits}_{weight}"))

    def _rows(self, n_errors, prompts):
        return [utterance(int(prompt.id[1:]), 0, n_errors, 0.8) for prompt in prompts]


def test_the_best_pair_is_kept_whole_where_adaptation_does_not_raise_the_word_error_rate(capsys):
    choice = choose_checkpoints(
        Trials({(1, 5): 2, (1, 10): 1}, base_errors=1, weight_errors={}), PROMPTS, SETTINGS, 0.8
    )
    assert (choice.epochs, choice.pair, choice.interpolation_weight) == ((1, 10), (Path("gpt1"), Path("sovits10")), 1)
    assert (choice.rows[0].gpt_epoch, choice.rows[0].sovits_epoch) == BASE_EPOCHS
    print_choice(choice)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("evaluate: before adaptation: WER ")
    assert printed[-1] == "evaluate: best pair is GPT epoch 1 with SoVITS epoch 10"


def test_the_voice_gets_the_interpolated_checkpoint_that_was_chosen(capsys):
    trials = Trials({(1, 5): 4, (1, 10): 3}, base_errors=1, weight_errors={0.5: 2, 0.25: 1})
    choice = choose_checkpoints(trials, PROMPTS, SETTINGS, 0.8)
    assert (choice.pair.sovits, choice.interpolation_weight) == (Path("sovits10_0.25"), 0.25)
    assert [row.interpolation_weight for row in choice.rows if row.kept] == [1, 0.25]
    assert {row.n_prompts for row in choice.rows} == {4}
    print_choice(choice)
    assert "SoVITS epoch 10, interpolation weight 0.25" in capsys.readouterr().out


def test_every_gpt_is_paired_with_every_sovits(tmp_path):
    for name in ("gpt/epoch_0001", "gpt/epoch_0002", "sovits/epoch_0005", "sovits/epoch_0010"):
        (tmp_path / name).mkdir(parents=True)
    pairs = checkpoint_pairs(tmp_path / "gpt", tmp_path / "sovits")
    assert list(pairs) == [(1, 5), (1, 10), (2, 5), (2, 10)]
    assert pairs[2, 5] == (tmp_path / "gpt/epoch_0002", tmp_path / "sovits/epoch_0005")


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no checkpoint \(epoch_NNNN\); run the adaptation again"):
        checkpoint_pairs(tmp_path, tmp_path)


def test_interpolation_weights_of_the_same_percent_have_checkpoints_of_their_own(tmp_path):
    base = SimpleNamespace(sovits_state=tiny_sovits().state_dict())
    save_checkpoint(tmp_path / "epoch_0005", "sovits", TINY.to_dict(), tiny_sovits(seed=1).state_dict())
    pair = CheckpointPair(tmp_path, tmp_path / "epoch_0005")
    inputs, folder = SimpleNamespace(base=base), tmp_path / "interpolated"
    trials = CheckpointTrials({(1, 5): pair}, inputs, None, 0, tmp_path, folder)
    weights = (0.502, 0.498, 0.502)
    first, second, again = (checkpoint_sha256(trials.interpolated_pair((1, 5), weight).sovits) for weight in weights)
    assert first != second and first == again
    expected = interpolate_states(base.sovits_state, tiny_sovits(seed=1).state_dict(), 0.498)
    written = load_checkpoint(trials.interpolated_pair((1, 5), 0.498).sovits, "sovits")[1]
    assert all(written[name].equal(tensor) for name, tensor in expected.items())
