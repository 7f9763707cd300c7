"""BERT features of Chinese text, one column per phoneme. The official GPTs were trained with them.

The feature of a character is the third last hidden state of chinese-roberta-wwm-ext-large. It is repeated for each
phoneme of the character. Text in other languages has no features, and the GPT uses zeros instead.
Source: GPT-SoVITS, 1-get-text.py `get_bert_feature`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt_sovits.text.frontend import Phonemes
from gpt_sovits.weights.base import BASES_FOLDER, SHARED_PARTS, load_shared_part
from gpt_sovits.weights.checkpoint import CheckpointError, load_weights

if TYPE_CHECKING:
    from transformers import BertModel

LANGUAGE = "zh"  # Cantonese has characters too, but the official models were trained with zeros for it
N_OMITTED_LAYERS = 2  # the features are the input of these last layers
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, eq=False)
class Bert:
    """A BERT for features of Chinese text.

    Attributes:
        model: transformers' BertModel without its last N_OMITTED_LAYERS layers.
        vocabulary: token -> id. Each token that is used here is one character.
    """

    model: BertModel
    vocabulary: Mapping[str, int]

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.model.config.hidden_size


def load_bert(folder: Path | None = None) -> Bert:
    """Load the official BERT.

    Args:
        folder: The folder of the base models. None is base_models/ beside the packages.

    Raises:
        CheckpointError: If it is missing. The message names the `vox pull` command that fetches it.
    """
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    config, state = load_shared_part("bert", folder)
    model = BertModel(BertConfig(**config), add_pooling_layer=False)
    load_weights(model, state, "the BERT")
    model.encoder.layer = model.encoder.layer[:-N_OMITTED_LAYERS]
    path = (BASES_FOLDER if folder is None else folder) / SHARED_PARTS["bert"] / TOKENIZER_FILE
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; run `vox pull {SHARED_PARTS['bert']}`")
    return Bert(model.eval().requires_grad_(False), Tokenizer.from_file(str(path)).get_vocab())


@torch.inference_mode()
def bert_features(bert: Bert, phonemes: Phonemes) -> Tensor | None:
    """Return the features of a text.

    Returns:
        (dim, X) float32 on the CPU for the X phonemes of the text, None if no part of it is Chinese.

    Raises:
        ValueError: If a part has no phonemes per character, or is too long for the model.
    """
    if not any(segment.language == LANGUAGE for segment in phonemes.segments):
        return None
    columns = []
    for segment in phonemes.segments:
        if segment.language != LANGUAGE:
            columns.append(torch.zeros(len(segment.symbols), bert.dim))
            continue
        if segment.word2ph is None or len(segment.word2ph) != len(segment.normalized_text):
            raise ValueError(
                f"the text {segment.normalized_text[:40]!r} has {len(segment.normalized_text)} characters and phonemes "
                f"for {len(segment.word2ph or ())} of them; give one syllable per character in the lexicon"
            )
        by_character = _character_features(bert, segment.normalized_text)
        columns.append(by_character.repeat_interleave(torch.tensor(segment.word2ph), 0))
    return torch.cat(columns).T.contiguous()


def _character_features(bert: Bert, text: str) -> Tensor:
    """Return (n, dim) for the n characters of a text."""
    max_characters = bert.model.config.max_position_embeddings - 2
    if len(text) > max_characters:
        raise ValueError(f"a sentence has {len(text)} characters; BERT reads at most {max_characters}, so split it")
    unknown = bert.vocabulary["[UNK]"]
    ids = [bert.vocabulary["[CLS]"], *(bert.vocabulary.get(c, unknown) for c in text), bert.vocabulary["[SEP]"]]
    device = bert.model.embeddings.word_embeddings.weight.device
    hidden = bert.model(torch.tensor([ids], device=device)).last_hidden_state
    return hidden[0, 1:-1].float().cpu()
