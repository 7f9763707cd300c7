"""Reference clips, reduced to what the models need: what is said (prompt tokens) and how it sounds (spectrogram)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.audio import resample
from gpt_sovits.bert import Bert, bert_features
from gpt_sovits.content_encoder.encoder import CONTENT_SAMPLE_RATE, ContentEncoder, extract_ssl_features
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram
from gpt_sovits.speaker_encoder import SpeakerEncoder, speaker_embedding
from gpt_sovits.synthesis.pieces import add_full_stop
from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0  # a shorter clip has no style, a longer one costs memory and is never better
ADVISED_SECONDS = (3.0, 10.0)  # what the official interface accepts
SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording
# Added after the clip, as upstream does, so that the prompt ends in silence and not in the middle of a breath
PROMPT_SILENCE_SECONDS = 0.3
TYPICAL_SECONDS_PER_PHONEME = 0.09  # reading aloud is 10 to 14 phonemes per second, pauses included


@dataclass(frozen=True)
class Reference:
    """What the models need of a reference clip, computed once.

    Invariant: shapes fit each other and all values are finite. Otherwise creating one raises ValueError.

    Attributes:
        phoneme_ids: (X,) int64, what is said in the clip. Empty, like semantic_tokens, where the text is not known.
            The clip then gives only its timbre.
        semantic_tokens: (Y,) int64.
        spectrogram: (n_fft // 2 + 1, T) float, linear magnitude at the SoVITS's sample rate.
        speaker_embedding: (speaker_dim,) float, for a SoVITS with a speaker_dim (v2Pro, v2ProPlus).
        bert_features: (bert_dim, X) float, for a language that has them. None counts as zeros.
        advice: sentences that say how the clip could be better. They are not stored.
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
                f"reference: {len(self.phoneme_ids)} phonemes and {len(self.semantic_tokens)} semantic tokens; pass "
                "both, or neither for a clip whose text is not known"
            )
        if self.bert_features is not None and self.bert_features.shape[1:] != self.phoneme_ids.shape:
            raise ValueError(
                f"reference: bert_features has shape {tuple(self.bert_features.shape)}; it must be (bert_dim, "
                f"{len(self.phoneme_ids)}), one column per phoneme"
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
        """Return whether the clip's text is known."""
        return len(self.phoneme_ids) > 0

    @property
    def seconds_per_phoneme(self) -> float:
        """Return the pace of the clip, or a typical pace where its text is not known."""
        if not self.has_text:
            return TYPICAL_SECONDS_PER_PHONEME
        return len(self.semantic_tokens) / TOKENS_PER_SECOND / len(self.phoneme_ids)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that are stored, by field name."""
        return {name: value.contiguous() for name, value in vars(self).items() if isinstance(value, Tensor)}


@torch.inference_mode()
def make_reference(
    waveform: np.ndarray,
    sample_rate: int,
    text: str | None,
    language: str,
    encoder: ContentEncoder | None,
    sovits: SoVITS,
    speaker_encoder: SpeakerEncoder | None = None,
    *,
    lexicon: Lexicon | None = None,
    bert: Bert | None = None,
) -> Reference:
    """Make a reference from a clip, for a speaker that the models were not adapted to (zero-shot).

    Args:
        waveform: (n,) float, nominally in [-1, 1], MIN_SECONDS to MAX_SECONDS long.
        sample_rate: samples per second.
        text: what is said in the clip, None where it is not known.
        language: language of the text, such as "en".
        encoder: the content encoder of the pair. Needed with a text.
        sovits: the SoVITS that the reference is for.
        speaker_encoder: needed for a SoVITS with a speaker_dim (v2Pro, v2ProPlus).
        lexicon: the voice's own words.
        bert: the BERT, for a GPT that was trained with its features.

    Raises:
        ValueError: the clip is too short, too long, silent or not finite, or a needed part is missing.
    """
    waveform, advice = _check_clip(waveform, sample_rate)
    config = sovits.config
    if text is not None and encoder is None:
        raise ValueError("a reference with a text needs the content encoder for its prompt tokens; pass `encoder`")
    if config.speaker_dim and speaker_encoder is None:
        raise ValueError(
            f"this SoVITS needs speaker embeddings of {config.speaker_dim} values (v2Pro, v2ProPlus); pass "
            "`speaker_encoder`"
        )
    device = sovits.ssl_proj.weight.device
    content = torch.from_numpy(resample(waveform, sample_rate, CONTENT_SAMPLE_RATE))
    phoneme_ids, tokens, features = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), None
    if text is not None:
        phonemes = phonemize(add_full_stop(text), language, lexicon)
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


def _check_clip(waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the clip as float32 in [-1, 1], and advice about its length."""
    if waveform.ndim != 1:
        raise ValueError(f"the reference clip has shape {waveform.shape}; it must be (n,), one channel")
    seconds = len(waveform) / sample_rate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(
            f"the reference clip is {seconds:.2f} s long; it must be {MIN_SECONDS:.0f} to {MAX_SECONDS:.0f} s, best "
            f"{ADVISED_SECONDS[0]:.0f} to {ADVISED_SECONDS[1]:.0f} s"
        )
    if not np.isfinite(waveform).all():
        raise ValueError("the reference clip holds NaN or infinite samples; use another recording")
    waveform = np.ascontiguousarray(waveform, np.float32)
    if not np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) > 10 ** (SILENT_DBFS / 20):
        raise ValueError(f"the reference clip is silent (below {SILENT_DBFS:.0f} dBFS); use one with speech")
    shortest, longest = ADVISED_SECONDS
    advice = ()
    if not shortest <= seconds <= longest:
        advice = (f"the reference clip is {seconds:.1f} s long; {shortest:.0f} to {longest:.0f} s work best",)
    return waveform / max(1.0, float(np.abs(waveform).max())), advice
