"""What tokens say, in phones, and how far that is from the text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.reranking import n_misread, phones_of_codewords, phones_said, phones_written
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, load_base

TOKEN_PHONES = ("sil", "hh", "ah", "l", "ow", "sil", "l")


def ids(text):
    return phonemize(text, "en").ids


def test_a_codeword_says_its_largest_posterior():
    codewords = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.2, 0.9], [0.3, 0.8, 0.1]])
    assert phones_of_codewords(codewords, ["sil", "aa", "b"]) == ("sil", "b", "aa")


def test_runs_are_one_phone_and_silence_is_none():
    assert phones_said([0, 1, 1, 2, 3, 6, 5, 3, 4, 4, 0], TOKEN_PHONES) == ["hh", "ah", "l", "l", "ow"]
    assert phones_written(ids("Hello, hello!"), TOKEN_PHONES) == ["hh", "ah", "l", "ow"] * 2


@given(st.lists(st.integers(0, 6), max_size=12))
def test_nothing_is_misread_exactly_where_the_tokens_say_the_text(tokens):
    n = n_misread(tokens, ids("Hello."), TOKEN_PHONES)
    assert (n == 0) == (phones_said(tokens, TOKEN_PHONES) == ["hh", "ah", "l", "ow"])
    assert n <= max(4, len(tokens))


@pytest.mark.parametrize("missing", ["architectures", "id2label"])
def test_a_base_whose_features_are_no_named_phones_knows_no_phones_of_tokens(missing):
    base = load_base(STARTER)
    config = {key: value for key, value in base.content_encoder_config.items() if key != missing}
    if missing == "architectures":  # then the features are hidden states, of another width
        config["hidden_size"] = base.sovits_config.ssl_dim
    assert replace(base, content_encoder_config=config).token_phones() is None
    assert replace(base, content_encoder_config=None).token_phones() is None


def test_the_starter_base_knows_the_phone_of_each_token_and_the_takes_it_says_are_nearest_to_their_own_text():
    base = load_base(STARTER)
    phones = base.token_phones()
    assert len(phones) == base.sovits_config.codebook_size
    assert set(phones) >= {"sil", "aa", "b", "s", "iy"}
    texts = ["The kettle is on the stove.", "Rain is expected by the evening.", "Nobody expected them to win."]
    none = torch.zeros(0, dtype=torch.int64)
    prompts = [Prompt(torch.tensor(ids(text)), none) for text in texts]
    options = SamplingOptions(temperature=0.6, repetition_penalty=1.0)
    said = generate(base.build_gpt().for_inference(), prompts, [1, 2, 3], options, max_tokens=200)
    for place, one in enumerate(said):
        misread = [n_misread(one.tokens.tolist(), ids(text), phones) for text in texts]
        assert misread.index(min(misread)) == place
        assert misread[place] < 0.5 * len(phones_written(ids(texts[place]), phones))
