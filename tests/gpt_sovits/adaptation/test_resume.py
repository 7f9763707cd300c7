"""An adaptation that is interrupted anywhere and started again ends with the same bits as an undisturbed one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from adaptation_tiny import (
    GPT_OPTIONS,
    SOVITS_OPTIONS,
    InterruptionError,
    assert_same,
    gpt_clips,
    killed_at,
    run_gpt,
    run_sovits,
)
from sovits_tiny import tiny_clip

from gpt_sovits.adaptation import loop, state
from gpt_sovits.adaptation.precision import Stepper

LONG_CLIPS = [tiny_clip(n, i) for i, n in enumerate((40, 44, 36))]  # upstream takes none of 32 frames or fewer

# Every kind of batch, step and schedule: plain, accumulated with a smaller last step, upstream's with gradients that
# are kept for the next epoch, bfloat16, damaged clips, frozen modules
CASES = {
    "gpt": (run_gpt, replace(GPT_OPTIONS, n_epochs=3), {}),
    "gpt accumulated": (run_gpt, replace(GPT_OPTIONS, batch_size=2, accumulate_batches=3), {}),
    "gpt upstream": (
        run_gpt,
        replace(GPT_OPTIONS, n_epochs=2, batch_size=20, recipe="upstream", preference_weight=1.0),
        {"train_clips": gpt_clips(40)},
    ),
    "gpt bf16": (run_gpt, replace(GPT_OPTIONS, n_epochs=2, precision="bf16", frozen=("h.layers.0",)), {}),
    "sovits": (run_sovits, replace(SOVITS_OPTIONS, n_epochs=2), {}),
    "sovits accumulated": (run_sovits, replace(SOVITS_OPTIONS, n_epochs=1, batch_size=1, accumulate_batches=2), {}),
    "sovits upstream": (
        run_sovits,
        replace(SOVITS_OPTIONS, n_epochs=1, batch_size=30, recipe="upstream"),
        {"train_clips": LONG_CLIPS, "held_out_clips": LONG_CLIPS[:1]},
    ),
}
# Interruptions per case. Upstream's recipe repeats few clips to about a hundred, so each of its runs takes long
N_KILLS = {"gpt upstream": 3, "sovits upstream": 2, "sovits": 3, "sovits accumulated": 2}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return a function from a case to (the run, its number of backward passes). Each case is run once."""
    made = {}

    def get(name):
        if name not in made:
            run, options, changes = CASES[name]
            with killed_at(0, Stepper, "backward") as calls:
                made[name] = run(tmp_path_factory.mktemp("undisturbed"), options, **changes), len(calls)
        return made[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_a_run_killed_in_a_step_resumes_to_the_same_bits(undisturbed, tmp_path, name):
    """At moments all over the run, with a state after every step, every second step, or only after epochs."""
    run, options, changes = CASES[name]
    whole, n_calls = undisturbed(name)
    n_kills = N_KILLS.get(name, 6)
    moments = sorted({1 + round((i + 0.5) * (n_calls - 1) / n_kills) for i in range(n_kills)})
    for i, moment in enumerate(moments):
        folder = tmp_path / str(moment)
        each = replace(options, state_every_steps=(0, 1, 2)[i % 3])
        with killed_at(moment, Stepper, "backward"), pytest.raises(InterruptionError):
            run(folder, each, **changes)
        torch.manual_seed(moment)
        with killed_at(0, Stepper, "backward") as calls:
            resumed = run(folder, each, **changes)
        assert_same(resumed, whole)
        if each.state_every_steps == 1 and moment > n_calls // 2 and options.recipe == "voxfoundry":
            assert len(calls) < n_calls, "nothing was resumed"


@pytest.mark.parametrize("name", ["gpt accumulated", "gpt upstream", "sovits"])
def test_a_run_killed_repeatedly_resumes_to_the_same_bits(undisturbed, tmp_path, name, monkeypatch):
    """At random moments of a step, while a state is written, and between epochs.

    There is a state after every group of batches, also after one that does not step.
    """
    monkeypatch.setattr(loop, "STATE_SECONDS", -1.0)
    monkeypatch.setattr(loop, "STATE_SHARE", float("inf"))
    run, options, changes = CASES[name]
    whole, _ = undisturbed(name)
    moments = random.Random(name)
    places = ((Stepper, "backward"), (Stepper, "step"), (state.os, "fsync"), (loop, "_record"))
    for _ in range(4):
        with killed_at(moments.randint(1, 4), *moments.choice(places)):
            try:
                run(tmp_path, options, **changes)
            except InterruptionError:
                continue
            break
    resumed = run(tmp_path, options, **changes)
    assert resumed.records == whole.records
    if resumed.epochs:
        assert_same(resumed, whole)


def test_how_often_states_are_stored_changes_nothing(undisturbed, tmp_path):
    whole, _ = undisturbed("gpt accumulated")
    run, options, _ = CASES["gpt accumulated"]
    for every in (1, 5):
        assert_same(run(tmp_path / str(every), replace(options, state_every_steps=every)), whole)
    # A state belongs to its inputs, and not to how often it is stored
    again = run(tmp_path / "1", replace(options, state_every_steps=3))
    assert again.records == whole.records and again.epochs == []


def test_states_inside_an_epoch_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    """By the clock: a state is stored when it is time and the cost of the last one has become a small share."""
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    for share, n_states in ((1e-9, 1), (1e9, 12)):
        monkeypatch.setattr(loop, "STATE_SHARE", share)
        with killed_at(0, loop, "save_training_state") as calls:
            run_gpt(tmp_path / str(share))
        assert len(calls) == n_states + GPT_OPTIONS.n_epochs
