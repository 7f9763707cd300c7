"""What the models read of a text."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.text.bert import build_bert
from gpt_sovits.text.features import Bert, TextReader
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import load_lexicon

TOKENS = ("[UNK]", "[CLS]", "[SEP]", "你", "好", "世", "界", "。", ",")
SIZES = {
    "vocab_size": len(TOKENS),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


@pytest.fixture(scope="module")
def bert():
    torch.manual_seed(0)
    return Bert(build_bert(SIZES), {token: i for i, token in enumerate(TOKENS)})


def test_ids_are_those_of_the_front_end():
    read = TextReader("en").read("The kettle is on.")
    assert read.phoneme_ids.tolist() == phonemize("The kettle is on.", "en").ids
    assert read.bert_features is None


def test_chinese_has_a_vector_a_phoneme_and_english_between_it_zeros(bert):
    text = "你好, world, 世界。"
    read, phonemes = TextReader("zh", bert=bert).read(text), phonemize(text, "zh")
    assert read.bert_features.shape == (8, len(read.phoneme_ids))
    at = 0
    for segment in phonemes.segments:
        part = read.bert_features[:, at : at + len(segment.symbols)]
        assert bool(part.any()) == (segment.language == "zh")
        at += len(segment.symbols)
    assert {"zh", "en"} == {segment.language for segment in phonemes.segments}


@pytest.mark.parametrize(("language", "text"), [("en", "Come in."), ("yue", "你好。")])
def test_other_languages_have_no_bert_features(bert, language, text):
    assert TextReader(language, bert=bert).read(text).bert_features is None


def test_the_voices_own_words_come_first(tmp_path):
    path = tmp_path / "lexicon.yaml"
    path.write_text('format: 1\nen:\n  kettle: "K AA1 T"\n', encoding="utf-8")
    with_lexicon = TextReader("en", load_lexicon(path)).read("The kettle is on.")
    assert with_lexicon.phoneme_ids.tolist() != TextReader("en").read("The kettle is on.").phoneme_ids.tolist()
