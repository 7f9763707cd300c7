"""A reference clip, and what the models need of it: what is said (prompt tokens) and how it sounds (spectrogram)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.audio import resample
from gpt_sovits.bert import Bert, bert_features
from gpt_sovits.content_encoder import CONTENT_SAMPLE_RATE, extract_ssl_features
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram
from gpt_sovits.speaker_encoder import SpeakerEncoder, speaker_embedding
from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND
from gpt_sovits.synthesis.sentences import finished
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon

if TYPE_CHECKING:
    from transformers import HubertModel

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0  # less has no style to hear, more costs memory and is never better
ADVISED_SECONDS = (3.0, 10.0)  # what the official interface accepts
SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording
# After the clip, so that the prompt ends in silence and not in the middle of a breath, as upstream does it
PROMPT_SILENCE_SECONDS = 0.3
TYPICAL_SECONDS_PER_PHONEME = 0.09  # reading aloud is 10 to 14 phonemes a second, pauses included


@dataclass(frozen=True)
class Reference:
    """What the models need of a reference clip, computed once.

    phoneme_ids: (X,) int64 of what is said in it; semantic_tokens: (Y,) int64; both empty for a clip whose text is
        not known: it then gives its timbre alone
    spectrogram: (n_fft // 2 + 1, T) float, linear magnitude at the SoVITS's sample rate
    speaker_embedding: (speaker_dim,) float of the speaker model, for a SoVITS with speaker_dim (v2Pro, v2ProPlus)
    bert_features: (bert_dim, X) float, for a language that has them; None counts as zeros
    advice: what could be better about the clip, in sentences; not stored
    Raises ValueError where shapes do not fit or values are not finite.
    """

    phoneme_ids: Tensor
    semantic_tokens: Tensor
    spectrogram: Tensor
    speaker_embedding: Tensor | None = None
    bert_features: Tensor | None = None
    advice: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("phoneme_ids", "semantic_tokens"):
            ids = getattr(self, name)
            if ids.dim() != 1 or ids.dtype != torch.int64:
                raise ValueError(f"reference: {name} must be (n,) int64, not {tuple(ids.shape)} {ids.dtype}")
        if (len(self.phoneme_ids) == 0) != (len(self.semantic_tokens) == 0):
            raise ValueError(
                f"reference: {len(self.phoneme_ids)} phonemes and {len(self.semantic_tokens)} semantic tokens; give "
                "both, or neither for a clip whose text is not known"
            )
        if self.bert_features is not None and self.bert_features.shape[1:] != self.phoneme_ids.shape:
            raise ValueError(
                f"reference: bert_features has shape {tuple(self.bert_features.shape)}; it must be (bert_dim, "
                f"{len(self.phoneme_ids)}), a column a phoneme"
            )
        for name, n_dims in (("spectrogram", 2), ("speaker_embedding", 1)):
            values = getattr(self, name)
            if values is None:
                continue
            if values.dim() != n_dims or values.numel() == 0:
                raise ValueError(f"reference: {name} has shape {tuple(values.shape)}; it must have {n_dims} dimensions")
            if not bool(torch.isfinite(values).all()):
                raise ValueError(f"reference: {name} holds NaN or infinite values; make the reference again")

    @property
    def has_text(self) -> bool:
        return len(self.phoneme_ids) > 0

    @property
    def seconds_per_phoneme(self) -> float:
        """The pace of the clip; a typical one where its text is not known."""
        if not self.has_text:
            return TYPICAL_SECONDS_PER_PHONEME
        return len(self.semantic_tokens) / TOKENS_PER_SECOND / len(self.phoneme_ids)

    def tensors(self) -> dict[str, Tensor]:
        """What is stored of it, by field."""
        return {name: value.contiguous() for name, value in vars(self).items() if isinstance(value, Tensor)}


@torch.inference_mode()
def make_reference(
    waveform: np.ndarray,
    sample_rate: int,
    text: str | None,
    language: str,
    encoder: HubertModel | None,
    sovits: SoVITS,
    speaker_encoder: SpeakerEncoder | None = None,
    *,
    lexicon: Lexicon | None = None,
    bert: Bert | None = None,
) -> Reference:
    """A Reference from a clip that the models were not adapted to (zero-shot).

    waveform: (n,) float at `sample_rate` Hz, nominally in [-1, 1], MIN_SECONDS to MAX_SECONDS long
    text: what is said in it, in `language`; None where it is not known
    encoder: the content encoder of the pair; needed with a text
    speaker_encoder: needed where the SoVITS has a speaker_dim (v2Pro, v2ProPlus); lexicon, bert: see Synthesizer
    Raises ValueError for a clip that is too short, too long, silent or not finite, and where a needed part is missing.
    """
    waveform, advice = _checked(waveform, sample_rate)
    config = sovits.config
    if text is not None and encoder is None:
        raise ValueError("a reference with a text needs the content encoder for its prompt tokens; give one")
    if config.speaker_dim and speaker_encoder is None:
        raise ValueError(
            f"this SoVITS needs speaker embeddings of {config.speaker_dim} values (v2Pro, v2ProPlus); give the speaker "
            "encoder"
        )
    device = sovits.ssl_proj.weight.device
    content = torch.from_numpy(resample(waveform, sample_rate, CONTENT_SAMPLE_RATE))
    phoneme_ids, tokens, features = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), None
    if text is not None:
        phonemes = phonemize(finished(text), language, lexicon)
        phoneme_ids, features = torch.tensor(phonemes.ids), bert_features(bert, phonemes) if bert else None
        silence = torch.zeros(round(PROMPT_SILENCE_SECONDS * CONTENT_SAMPLE_RATE))
        ssl_features = extract_ssl_features(encoder, torch.cat((content, silence))[None].to(device))
        tokens = sovits.semantic_tokens(ssl_features)[0].cpu()
    speech = torch.from_numpy(resample(waveform, sample_rate, config.sample_rate))
    return Reference(
        phoneme_ids,
        tokens,
        linear_spectrogram(speech[None], config.n_fft, config.hop_length)[0],
        speaker_embedding(speaker_encoder, speech, config.sample_rate).cpu() if config.speaker_dim else None,
        features,
        advice,
    )


def _checked(waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The clip as float32 within [-1, 1], and advice about its length."""
    if waveform.ndim != 1:
        raise ValueError(f"the reference clip has shape {waveform.shape}; it must be (n,), one channel")
    seconds = len(waveform) / sample_rate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(
            f"the reference clip is {seconds:.2f} s long; it must be {MIN_SECONDS:.0f} to {MAX_SECONDS:.0f} s, best "
            f"{ADVISED_SECONDS[0]:.0f} to {ADVISED_SECONDS[1]:.0f} s"
        )
    if not np.isfinite(waveform).all():
        raise ValueError("the reference clip holds NaN or infinite samples; take another recording")
    waveform = np.ascontiguousarray(waveform, np.float32)
    if not np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) > 10 ** (SILENT_DBFS / 20):
        raise ValueError(f"the reference clip is silent (below {SILENT_DBFS:.0f} dBFS); take one with speech in it")
    shortest, longest = ADVISED_SECONDS
    advice = ()
    if not shortest <= seconds <= longest:
        advice = (f"the reference clip is {seconds:.1f} s long; {shortest:.0f} to {longest:.0f} s work best",)
    return waveform / max(1.0, float(np.abs(waveform).max())), advice
