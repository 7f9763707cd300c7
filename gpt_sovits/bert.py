"""BERT's features of Chinese text, a column a phoneme: the official GPTs were trained with them.

The third hidden state from the last of chinese-roberta-wwm-ext-large, of each character, repeated for its phonemes.
Text in other languages has none, which the GPT takes for zeros. Source: GPT-SoVITS, 1-get-text.py `get_bert_feature`.
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

LANGUAGE = "zh"  # Cantonese is written in characters too, but the official models were given zeros for it
N_LAYERS_LEFT_OUT = 2  # the features are what goes into them
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, eq=False)
class Bert:
    """model: transformers' BertModel without the layers that are left out; vocabulary: token -> id, a character each"""

    model: BertModel
    vocabulary: Mapping[str, int]

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.model.config.hidden_size


def load_bert(folder: Path | None = None) -> Bert:
    """The official BERT. folder: where the base models lie; None is base_models/ beside the packages.

    Raises CheckpointError that says which `vox pull` brings it.
    """
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    config, state = load_shared_part("bert", folder)
    model = BertModel(BertConfig(**config), add_pooling_layer=False)
    load_weights(model, state, "the BERT")
    model.encoder.layer = model.encoder.layer[:-N_LAYERS_LEFT_OUT]
    path = (BASES_FOLDER if folder is None else folder) / SHARED_PARTS["bert"] / TOKENIZER_FILE
    if not path.is_file():
        raise CheckpointError(f"{path} is not there; run `vox pull {SHARED_PARTS['bert']}`")
    return Bert(model.eval().requires_grad_(False), Tokenizer.from_file(str(path)).get_vocab())


@torch.inference_mode()
def bert_features(bert: Bert, phonemes: Phonemes) -> Tensor | None:
    """(dim, X) float32 on the CPU for the X phonemes of a text; None where nothing in it is Chinese.

    Raises ValueError where a part has another number of characters than sounds, and where it is too long for the model.
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
                f"the text {segment.normalized_text[:40]!r} has {len(segment.normalized_text)} characters and "
                f"{len(segment.word2ph or ())} sounds; BERT needs one a character: give the lexicon's words by syllable"
            )
        columns.append(_characters(bert, segment.normalized_text).repeat_interleave(torch.tensor(segment.word2ph), 0))
    return torch.cat(columns).T.contiguous()


def _characters(bert: Bert, text: str) -> Tensor:
    """(n, dim) for the n characters of a text."""
    longest = bert.model.config.max_position_embeddings - 2
    if len(text) > longest:
        raise ValueError(f"{len(text)} characters in one sentence; BERT reads at most {longest}: split the text")
    unknown = bert.vocabulary["[UNK]"]
    ids = [bert.vocabulary["[CLS]"], *(bert.vocabulary.get(c, unknown) for c in text), bert.vocabulary["[SEP]"]]
    device = bert.model.embeddings.word_embeddings.weight.device
    hidden = bert.model(torch.tensor([ids], device=device)).last_hidden_state
    return hidden[0, 1:-1].float().cpu()
