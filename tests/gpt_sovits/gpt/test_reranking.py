"""The phones of candidates and of texts, and the errors between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.content_encoder.melody import N_MELODY
from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.inference import prepare_for_inference
from gpt_sovits.gpt.reranking import count_phone_errors, label_codewords, phones_of_text, phones_of_tokens
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, load_base

TOKEN_PHONES = ("sil", "hh", "ah", "l", "ow", "sil", "l")


def ids(text):
    return phonemize(text, "en").ids


def test_a_codeword_is_the_phone_of_its_largest_posterior():
    codewords = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.2, 0.9], [0.3, 0.8, 0.1]])
    assert label_codewords(codewords, ["sil", "aa", "b"]) == ("sil", "b", "aa")


def test_a_run_is_one_phone_and_silence_is_not_a_phone():
    assert phones_of_tokens([0, 1, 1, 2, 3, 6, 5, 3, 4, 4, 0], TOKEN_PHONES) == ["hh", "ah", "l", "l", "ow"]
    assert phones_of_text(ids("Hello, hello!"), TOKEN_PHONES) == ["hh", "ah", "l", "ow"] * 2


@given(st.lists(st.integers(0, 6), max_size=12))
def test_there_are_no_errors_exactly_where_the_tokens_say_the_text(tokens):
    n = count_phone_errors(tokens, ids("Hello."), TOKEN_PHONES)
    assert (n == 0) == (phones_of_tokens(tokens, TOKEN_PHONES) == ["hh", "ah", "l", "ow"])
    assert n <= max(4, len(tokens))


@pytest.mark.parametrize("missing", ["architectures", "id2label"])
def test_a_base_whose_features_are_not_named_phones_has_no_phones_of_tokens(missing):
    base = load_base(STARTER)
    config = {key: value for key, value in base.content_encoder_config.items() if key != missing}
    if missing == "architectures":  # then the features are hidden states, of another width
        config["hidden_size"] = base.sovits_config.ssl_dim
    assert replace(base, content_encoder_config=config).token_phones() is None
    assert replace(base, content_encoder_config=None).token_phones() is None


def test_the_melody_of_a_codeword_does_not_change_its_phone():
    base = load_base(STARTER)
    key = "quantizer.vq.layers.0._codebook.embed"
    codewords = base.sovits_state[key]
    n_phones = len(base.content_encoder_config["id2label"])
    melody = torch.rand(len(codewords), N_MELODY) + 1  # more than any posterior
    with_melody = replace(
        base,
        content_encoder_config=base.content_encoder_config | {"melody_weight": 1.0},
        sovits_config=base.sovits_config.model_copy(update={"ssl_dim": n_phones + N_MELODY}),
        sovits_state=base.sovits_state | {key: torch.cat([codewords[:, :n_phones], melody], dim=1)},
    )
    assert with_melody.token_phones() == base.token_phones()


def test_utterances_of_the_starter_base_have_the_fewest_errors_against_their_own_text():
    base = load_base(STARTER)
    phones = base.token_phones()
    assert len(phones) == base.sovits_config.codebook_size
    assert set(phones) >= {"sil", "aa", "b", "s", "iy"}
    texts = ["The kettle is on the stove.", "Rain is expected by the evening.", "Nobody expected them to win."]
    none = torch.zeros(0, dtype=torch.int64)
    prompts = [Prompt(torch.tensor(ids(text)), none) for text in texts]
    options = SamplingOptions(temperature=0.6, repetition_penalty=1.0)
    gpt = prepare_for_inference(base.build_gpt())
    for i, spoken in enumerate(generate(gpt, prompts, [1, 2, 3], options, max_tokens=200)):
        errors = [count_phone_errors(spoken.tokens.tolist(), ids(text), phones) for text in texts]
        assert errors.index(min(errors)) == i
        assert errors[i] < 0.5 * len(phones_of_text(ids(texts[i]), phones))
