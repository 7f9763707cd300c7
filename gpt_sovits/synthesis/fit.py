"""Whether the parts of a voice fit each other, checked before it speaks."""

from __future__ import annotations

from gpt_sovits.bert import Bert
from gpt_sovits.gpt.model import GPT
from gpt_sovits.gpt.reading import check_head
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference


def check_fit(gpt: GPT, sovits: SoVITS, references: tuple[Reference, ...], bert: Bert | None, preset: Preset) -> None:
    """Check that models, references and preset fit each other.

    Args:
        gpt: the GPT.
        sovits: the SoVITS.
        references: the references, of which the first prompts the GPT.
        bert: the BERT, None for a voice that does not use one.
        preset: how the voice speaks.

    Raises:
        ValueError: two parts do not fit. The message names both and says what would fit.
    """
    if gpt.config.vocab_size - 1 != sovits.config.codebook_size:
        raise ValueError(
            f"the GPT speaks {gpt.config.vocab_size - 1} semantic tokens, the SoVITS knows "
            f"{sovits.config.codebook_size}; they must come from the same base model"
        )
    _check_references(references, sovits)
    _check_bert(references, bert, gpt)
    _check_preset(preset, gpt)


def _check_references(references: tuple[Reference, ...], sovits: SoVITS) -> None:
    dim = sovits.config.speaker_dim
    if not references:
        raise ValueError("no reference was given; a voice needs at least one")
    for number, reference in enumerate(references, start=1):
        embedding = reference.speaker_embedding
        if dim and embedding is None:
            raise ValueError(
                f"reference {number} has no speaker embedding, which this SoVITS needs (v2Pro, v2ProPlus: {dim} "
                "values); make the reference with the speaker encoder"
            )
        if embedding is not None and len(embedding) != dim:
            raise ValueError(
                f"reference {number} has a speaker embedding of {len(embedding)} values, this SoVITS takes "
                f"{dim or 'none'}; make the reference for this SoVITS"
            )


def _check_bert(references: tuple[Reference, ...], bert: Bert | None, gpt: GPT) -> None:
    if bert is None and references[0].bert_features is not None:
        raise ValueError("the reference has BERT features, but no BERT was given for the text; pass `bert`")
    if bert is not None and bert.dim != gpt.config.bert_dim:
        raise ValueError(
            f"the BERT makes features of width {bert.dim}, the GPT takes {gpt.config.bert_dim}; "
            "use the BERT that the GPT was trained with"
        )


def _check_preset(preset: Preset, gpt: GPT) -> None:
    if preset.alignment_head is not None:
        check_head(preset.alignment_head, gpt.config)
    n_tokens, n_phones = gpt.config.vocab_size - 1, len(preset.token_phones or ())
    if preset.token_phones is not None and n_phones != n_tokens:
        raise ValueError(
            f"token_phones names the phones of {n_phones} semantic tokens, the GPT speaks {n_tokens}; take the phones "
            "of the base model that the voice was adapted from"
        )
