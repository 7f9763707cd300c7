"""Which phonemes one head has read: compared with the whole attention, and in the starter base's own speech."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imports import ROOT
from synthesis_tiny import tiny_gpt

from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.inference import prepare_for_inference
from gpt_sovits.gpt.reading import attended_phonemes, check_head, longest_unread_run
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.synthesis.detection import MAX_UNREAD
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, load_base
from stages.params import load_params


def all_weights(model, prompt, tokens, head):
    """Return the attention of the head, (S, S), from the input that its layer really gets."""
    layer, number = head
    seen = {}
    hook = model.h.layers[layer].self_attn.register_forward_pre_hook(
        lambda _, arguments: seen.update(x=arguments[0], mask=arguments[1])
    )
    with torch.no_grad():
        spoken = torch.cat((prompt.tokens, tokens))[None]
        lengths = torch.tensor([len(prompt.phoneme_ids)]), torch.tensor([spoken.shape[1]])
        model(prompt.phoneme_ids[None], lengths[0], spoken, lengths[1])
    hook.remove()
    attention = model.h.layers[layer].self_attn
    x, width = seen["x"][0], seen["x"].shape[2] // attention.n_heads
    rows = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, keys, _ = rows.detach().view(len(x), 3, attention.n_heads, width)[:, :, number].unbind(1)
    return (query @ keys.T / width**0.5).masked_fill(~seen["mask"][0, 0], -torch.inf).softmax(dim=1)


@pytest.mark.parametrize("n_prompt_tokens", [0, 7])
def test_each_token_reads_the_phoneme_with_the_largest_attention(n_prompt_tokens):
    model, random = tiny_gpt().eval(), torch.Generator().manual_seed(3)
    config = model.config
    prompt = Prompt(
        torch.randint(1, config.phoneme_vocab_size, (13,), generator=random),
        torch.randint(0, config.eos_token, (n_prompt_tokens,), generator=random),
    )
    tokens = torch.randint(0, config.eos_token, (20,), generator=random)
    for head in ((0, 0), (config.n_layers - 1, config.n_heads - 1)):
        weights = all_weights(model, prompt, tokens, head)
        assert torch.equal(attended_phonemes(model, prompt, tokens, head), weights[-20:, :13].argmax(dim=1))
    assert len(attended_phonemes(model, prompt, tokens[:0], (0, 0))) == 0


@pytest.mark.parametrize("head", [(-1, 0), (0, -1), (9, 0), (0, 99)])
def test_a_head_that_the_gpt_does_not_have_is_refused(head):
    with pytest.raises(ValueError, match=f"names layer {head[0]} and head {head[1]}"):
        check_head(head, tiny_gpt().config)


@given(st.lists(st.integers(-5, 40), max_size=30), st.integers(1, 30))
def test_the_longest_run_that_no_index_touches_is_counted(attended, n_phonemes):
    read = ["u"] * n_phonemes
    for index in attended:
        for near in (index - 1, index, index + 1):
            if 0 <= near < n_phonemes:
                read[near] = "r"
    assert longest_unread_run(torch.tensor(attended), n_phonemes) == max(len(run) for run in "".join(read).split("r"))


def test_the_starter_base_reads_on_after_a_comma_and_an_utterance_that_ends_there_has_unread_phonemes():
    """The head is the one in params.yaml."""
    settings = load_params(ROOT / "params.yaml").evaluate
    model = prepare_for_inference(load_base(STARTER).build_gpt())
    text = "Rain is expected by the evening, and it will turn to snow in the hills."
    prompt = Prompt(torch.tensor(phonemize(text, "en").ids), torch.zeros(0, dtype=torch.int64))
    options = SamplingOptions(settings.top_k, settings.top_p, settings.temperature, settings.repetition_penalty)
    utterances = [one.tokens for one in generate(model, [prompt] * 60, range(60), options, max_tokens=400)]

    def n_unread(tokens: torch.Tensor) -> int:
        attended = attended_phonemes(model, prompt, tokens, settings.alignment_head)
        return longest_unread_run(attended, len(prompt.phoneme_ids))

    complete = [tokens for tokens in utterances if n_unread(tokens) <= MAX_UNREAD]
    assert len(complete) >= 57
    for tokens in complete:
        assert n_unread(tokens[: len(tokens) // 2]) > len(prompt.phoneme_ids) // 5
