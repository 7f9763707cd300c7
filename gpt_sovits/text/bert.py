"""BERT features of Chinese text: what a character means in its sentence, one vector a phoneme.

The GPT adds them to the phonemes' embeddings; other languages have none. The network is transformers' BertModel,
official (chinese-roberta-wwm-ext-large) or small; only its sizes differ.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS: hidden_states[-3], without [CLS] and [SEP].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import BertModel

LAYER = -3  # of the hidden states, the embeddings counted as the first
START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


def build_bert(config: Mapping[str, Any]) -> BertModel:
    """A BertModel with random weights, in eval mode, without its pooler.

    config: arguments of transformers.BertConfig; what is left out has BERT-base's value. Raises ValueError for an
    unknown key and for fewer layers than the features need.
    """
    from transformers import BertConfig, BertModel  # seconds to import, and only needed here

    if unknown := sorted(set(config) - set(BertConfig().to_dict())):
        raise ValueError(f"BERT: unknown keys {unknown}; see transformers.BertConfig")
    bert = BertConfig(**config)
    if bert.num_hidden_layers + 1 < -LAYER:
        raise ValueError(
            f"BERT: {bert.num_hidden_layers} layers; the features are those of the third hidden state "
            f"from the end, so there must be at least {-LAYER - 1}"
        )
    return BertModel(bert, add_pooling_layer=False).eval().requires_grad_(False)


@torch.no_grad()
def bert_features(
    model: BertModel, vocabulary: Mapping[str, int], text: str, phonemes_per_character: Sequence[int]
) -> Tensor:
    """(hidden_size, X) float32, X the sum of phonemes_per_character: each character's vector, once a phoneme of it.

    vocabulary: token -> row, with [CLS], [SEP] and [UNK]; text: one token a character, so no words of Latin letters
    Raises ValueError where text and phonemes_per_character differ in length, for an empty text, a vocabulary without
    those three, and a text longer than the model's positions.
    """
    if missing := [token for token in (START, END, UNKNOWN) if token not in vocabulary]:
        raise ValueError(f"the vocabulary lacks {', '.join(missing)}; take the vocab.txt that came with the BERT")
    if not text or len(text) != len(phonemes_per_character):
        raise ValueError(
            f"{len(phonemes_per_character)} numbers of phonemes for the {len(text)} characters of {text[:40]!r}; give "
            "one a character, of at least one character"
        )
    limit = model.config.max_position_embeddings - 2
    if len(text) > limit:
        raise ValueError(f"the text has {len(text)} characters, BERT reads at most {limit} at once: split it")
    ids = [vocabulary[START], *(vocabulary.get(c, vocabulary[UNKNOWN]) for c in text), vocabulary[END]]
    states = model(torch.tensor([ids], device=model.device), output_hidden_states=True).hidden_states[LAYER]
    characters = states[0, 1:-1]  # (characters, hidden_size)
    repeats = torch.tensor(list(phonemes_per_character), device=characters.device)
    return characters.repeat_interleave(repeats, dim=0).T.float().contiguous()
