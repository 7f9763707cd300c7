"""BERT features: the third hidden state from the end, one vector a phoneme."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.text.bert import bert_features, build_bert

VOCABULARY = {token: i for i, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "你", "好", "。"))}
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
}


@pytest.fixture(scope="module")
def bert():
    torch.manual_seed(0)
    return build_bert(SIZES)


def test_each_phoneme_has_its_characters_vector(bert):
    features = bert_features(bert, VOCABULARY, "你好。", [2, 2, 1])
    assert features.shape == (16, 5)
    assert torch.equal(features[:, 0], features[:, 1])
    assert not torch.equal(features[:, 1], features[:, 2])


def test_the_vectors_are_those_two_layers_before_the_end(bert):
    # a model without the last two layers ends where the features are taken
    shorter = build_bert(SIZES | {"num_hidden_layers": 2})
    state = {name: value for name, value in bert.state_dict().items() if name in shorter.state_dict()}
    shorter.load_state_dict(state)
    ids = torch.tensor([[2, 4, 5, 6, 3]])
    expected = shorter(ids).last_hidden_state[0, 1:-1].T
    torch.testing.assert_close(bert_features(bert, VOCABULARY, "你好。", [1, 1, 1]), expected)


def test_a_character_outside_the_vocabulary_is_unknown_and_keeps_its_place(bert):
    assert bert_features(bert, VOCABULARY, "你鱻", [1, 3]).shape == (16, 4)


@pytest.mark.parametrize(
    ("text", "counts", "message"),
    [
        ("你好", [2], "1 numbers of phonemes for the 2 characters"),
        ("", [], "at least one character"),
        ("你" * 11, [1] * 11, "11 characters, BERT reads at most 10"),
    ],
)
def test_what_does_not_fit_is_refused(bert, text, counts, message):
    with pytest.raises(ValueError, match=message):
        bert_features(bert, VOCABULARY, text, counts)


def test_a_vocabulary_of_something_else_is_refused(bert):
    with pytest.raises(ValueError, match=r"lacks \[CLS\], \[SEP\]"):
        bert_features(bert, {"[UNK]": 0}, "你", [1])


def test_sizes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="unknown keys"):
        build_bert({"n_layers": 3})
    with pytest.raises(ValueError, match="1 layers"):
        build_bert(SIZES | {"num_hidden_layers": 1})
