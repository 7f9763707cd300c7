"""BERT features: one per character, repeated for its phonemes."""

from __future__ import annotations

import functools

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel

from gpt_sovits.bert import bert_features, load_bert
from gpt_sovits.text.frontend import Phonemes, Segment
from gpt_sovits.weights.checkpoint import CheckpointError, save_checkpoint

VOCABULARY = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "你", "好", "吗", "，"])}
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 8,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 12,
}


@functools.cache
def complete_model() -> BertModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BertModel(BertConfig(**SIZES), add_pooling_layer=False).eval()


@pytest.fixture
def bases(tmp_path):
    """A base folder with the BERT as `vox pull` leaves it."""
    home = tmp_path / "chinese-roberta-wwm-ext-large"
    save_checkpoint(home / "bert", "bert", SIZES, complete_model().state_dict())
    Tokenizer(WordPiece(VOCABULARY, unk_token="[UNK]")).save(str(home / "tokenizer.json"))
    return tmp_path


def text_of(*segments: Segment) -> Phonemes:
    symbols = [symbol for segment in segments for symbol in segment.symbols]
    return Phonemes([0] * len(symbols), symbols, "", segments)


CHINESE = Segment("zh", "你好，吗", ("n", "i2", "h", "ao3", ",", "m", "a5"), (2, 2, 1, 2))
ENGLISH = Segment("en", "hi", ("HH", "AY1"))


def test_each_phoneme_has_the_third_last_hidden_state_of_its_character(bases):
    features = bert_features(load_bert(bases), text_of(CHINESE))
    ids = torch.tensor([[2, 4, 5, 7, 6, 3]])
    states = complete_model()(ids, output_hidden_states=True).hidden_states[-3][0, 1:-1]
    torch.testing.assert_close(features, states[[0, 0, 1, 1, 2, 3, 3]].T)


def test_words_of_other_languages_have_zeros_and_do_not_change_the_chinese_ones(bases):
    bert = load_bert(bases)
    mixed, chinese = bert_features(bert, text_of(ENGLISH, CHINESE)), bert_features(bert, text_of(CHINESE))
    assert not mixed[:, :2].any()
    assert torch.equal(mixed[:, 2:], chinese)
    assert bert_features(bert, text_of(ENGLISH)) is None
    assert bert_features(bert, text_of(Segment("yue", "你好", ("Yn", "Yei5"), (1, 1)))) is None


def test_a_character_outside_the_vocabulary_is_unknown(bases):
    bert = load_bert(bases)
    one, other = (bert_features(bert, text_of(Segment("zh", c, ("x", "i1"), (2,)))) for c in "龘龖")
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (
            Segment("zh", "你好", ("n", "i2"), (2,)),
            "has 2 characters and phonemes for 1 of them; give one syllable per character",
        ),
        (Segment("zh", "你" * 11, ("n",) * 11, (1,) * 11), "a sentence has 11 characters; BERT reads at most 10"),
    ],
)
def test_texts_that_bert_cannot_read_are_refused(bases, segment, message):
    with pytest.raises(ValueError, match=message):
        bert_features(load_bert(bases), text_of(segment))


def test_a_missing_file_is_reported_with_the_command_that_fetches_it(bases):
    (bases / "chinese-roberta-wwm-ext-large" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="run `vox pull chinese-roberta-wwm-ext-large`"):
        load_bert(bases)
    with pytest.raises(CheckpointError, match="run `vox pull chinese-roberta-wwm-ext-large`"):
        load_bert(bases / "elsewhere")
