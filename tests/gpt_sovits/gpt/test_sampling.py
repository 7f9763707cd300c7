"""Sampling: the order of its steps against the reference vectors, and the independence of utterances."""

import json

import pytest
import torch
from safetensors.torch import load_file

from gpt_sovits.gpt.sampling import (
    SamplingOptions,
    draw,
    penalize_repetition,
    token_probabilities,
    utterance_generator,
)

CASES = ["default", "webui_fn", "topp", "temp", "order", "greedy", "t0"]


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "gpt-sovits" / "golden"
    cases = json.loads((folder / "index.json").read_text())["s1_sampler"]["cases"]
    return load_file(folder / "s1_sampler.safetensors"), cases


def seen_mask(previous, vocabulary):
    return torch.zeros(len(previous), vocabulary, dtype=torch.bool).scatter(1, previous, True)


@pytest.mark.parametrize("case", CASES)
def test_probabilities_equal_the_reference(golden, case):
    tensors, cases = golden
    options = SamplingOptions(**cases[case])
    logits = tensors["in/logits"]
    penalized = penalize_repetition(logits, seen_mask(tensors["in/previous_tokens"], 1025), options.repetition_penalty)
    probabilities = token_probabilities(penalized, options)
    torch.testing.assert_close(probabilities, tensors[f"out/{case}.probs"], rtol=0, atol=1e-6)
    if case == "default":
        torch.testing.assert_close(penalized, tensors["out/default.logits_after"], rtol=0, atol=1e-6)
    # the reference draws noise for all three rows from one stream; one generator given thrice does the same
    one_stream = utterance_generator(7)
    noise = torch.empty(3, 1025).exponential_(generator=one_stream)
    assert (probabilities / noise).argmax(-1, keepdim=True).equal(tensors[f"out/{case}.sample_seed7"])


def test_all_reference_cases_are_tested(golden):
    assert sorted(golden[1]) == sorted(CASES)


def test_penalty_counts_a_token_once_and_leaves_its_input_alone():
    logits = torch.tensor([[2.0, -2.0, 1.0]])
    seen = torch.tensor([[True, True, False]])
    assert penalize_repetition(logits, seen, 2.0).tolist() == [[1.0, -4.0, 1.0]]
    assert logits.tolist() == [[2.0, -2.0, 1.0]]


def test_the_best_token_survives_any_top_p():
    probabilities = token_probabilities(torch.tensor([[3.0, 1.0, 0.0]]), SamplingOptions(top_p=1e-6))
    assert probabilities.tolist() == [[1.0, 0.0, 0.0]]


def test_top_k_wider_than_the_vocabulary_and_temperature_zero():
    logits = torch.tensor([[0.1, 0.3, 0.2]])
    assert token_probabilities(logits, SamplingOptions(top_k=99, temperature=0.0)).argmax().item() == 1
    assert torch.isfinite(token_probabilities(logits, SamplingOptions(top_k=99, temperature=0.0))).all()


def test_a_row_draws_the_same_alone_and_in_any_batch():
    probabilities = torch.rand(3, 50).softmax(-1)
    together = draw(probabilities, [utterance_generator(s) for s in (5, 6, 7)])
    reversed_ = draw(probabilities.flip(0), [utterance_generator(s) for s in (7, 6, 5)])
    alone = torch.cat([draw(probabilities[i : i + 1], [utterance_generator(5 + i)]) for i in range(3)])
    assert together.tolist() == alone.tolist() == reversed_.flip(0).tolist()


def test_drawing_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    draw(torch.rand(1, 9, generator=utterance_generator(0)), [utterance_generator(1)])
    assert torch.get_rng_state().equal(before)


def test_draws_follow_the_probabilities():
    generator = utterance_generator(3)
    probabilities = torch.tensor([[0.7, 0.2, 0.1]])
    counts = torch.bincount(torch.cat([draw(probabilities, [generator]) for _ in range(4000)]), minlength=3)
    assert (counts / 4000 - probabilities[0]).abs().max() < 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k must be at least 1, not 0"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\], not 0.0"),
        ({"top_p": float("nan")}, "top_p"),
        ({"temperature": -1.0}, "temperature must be a finite number"),
        ({"temperature": float("inf")}, "temperature must be a finite number"),
        ({"repetition_penalty": 0.5}, "repetition_penalty must be a finite number of at least 1, not 0.5"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SamplingOptions(**options)
