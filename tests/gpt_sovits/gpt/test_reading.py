"""What was read of a text, told by one head: against the whole attention, and in the starter base's own speech."""

from __future__ import annotations

from statistics import median

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imports import ROOT
from synthesis_tiny import tiny_gpt

from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.reading import check_head, longest_unread, places_read
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.synthesis.detection import MAX_UNREAD
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, load_base
from stages.params import load_params


def all_weights(model, prompt, tokens, head):
    """The attention of the head, (S, S), from the input that its layer really gets."""
    layer, number = head
    seen = {}
    hook = model.h.layers[layer].self_attn.register_forward_pre_hook(
        lambda _, arguments: seen.update(x=arguments[0], mask=arguments[1])
    )
    with torch.no_grad():
        both = torch.cat((prompt.tokens, tokens))[None]
        model(prompt.phoneme_ids[None], torch.tensor([len(prompt.phoneme_ids)]), both, torch.tensor([both.shape[1]]))
    hook.remove()
    attention = model.h.layers[layer].self_attn
    x, width = seen["x"][0], seen["x"].shape[2] // attention.n_heads
    rows = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, keys, _ = rows.detach().view(len(x), 3, attention.n_heads, width)[:, :, number].unbind(1)
    return (query @ keys.T / width**0.5).masked_fill(~seen["mask"][0, 0], -torch.inf).softmax(dim=1)


@pytest.mark.parametrize("n_prompt_tokens", [0, 7])
def test_each_token_reads_the_phoneme_that_the_head_looks_at_most(n_prompt_tokens):
    model, random = tiny_gpt().eval(), torch.Generator().manual_seed(3)
    config = model.config
    prompt = Prompt(
        torch.randint(1, config.phoneme_vocab_size, (13,), generator=random),
        torch.randint(0, config.eos_token, (n_prompt_tokens,), generator=random),
    )
    tokens = torch.randint(0, config.eos_token, (20,), generator=random)
    for head in ((0, 0), (config.n_layers - 1, config.n_heads - 1)):
        weights = all_weights(model, prompt, tokens, head)
        assert torch.equal(places_read(model, prompt, tokens, head), weights[-20:, :13].argmax(dim=1))
    assert len(places_read(model, prompt, tokens[:0], (0, 0))) == 0


@pytest.mark.parametrize("head", [(-1, 0), (0, -1), (9, 0), (0, 99)])
def test_a_head_that_the_gpt_does_not_have_is_refused(head):
    with pytest.raises(ValueError, match=f"names layer {head[0]} and head {head[1]}"):
        check_head(head, tiny_gpt().config)


@given(st.lists(st.integers(-5, 40), max_size=30), st.integers(1, 30))
def test_the_longest_stretch_that_no_place_touches_is_counted(places, n_phonemes):
    read = ["u"] * n_phonemes
    for place in places:
        for near in (place - 1, place, place + 1):
            if 0 <= near < n_phonemes:
                read[near] = "r"
    assert longest_unread(torch.tensor(places), n_phonemes) == max(len(run) for run in "".join(read).split("r"))


def test_takes_of_the_starter_base_that_are_told_to_lack_words_lack_their_time_too():
    """It ends many takes of this sentence at the comma. The head is the one in params.yaml."""
    settings = load_params(ROOT / "params.yaml").evaluate
    model = load_base(STARTER).build_gpt().for_inference()
    text = "Rain is expected by the evening, and it will turn to snow in the hills."
    prompt = Prompt(torch.tensor(phonemize(text, "en").ids), torch.zeros(0, dtype=torch.int64))
    options = SamplingOptions(settings.top_k, settings.top_p, settings.temperature, settings.repetition_penalty)
    takes = [one.tokens for one in generate(model, [prompt] * 60, range(60), options, max_tokens=400)]
    places = [places_read(model, prompt, take, settings.alignment_head) for take in takes]
    unread = [longest_unread(one, len(prompt.phoneme_ids)) for one in places]
    whole = [len(take) for take, n in zip(takes, unread, strict=True) if n <= MAX_UNREAD]
    lacking = [(len(take), n) for take, n in zip(takes, unread, strict=True) if n > MAX_UNREAD]
    assert len(whole) >= 30 and len(lacking) >= 2
    usual = median(whole)
    assert min(whole) > 0.7 * usual
    for length, n in lacking:
        assert length < usual * (1 - 0.5 * n / len(prompt.phoneme_ids)), (length, n)
