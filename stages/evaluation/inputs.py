"""What evaluate reads, loaded and typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.text.lexicon import LEXICON_FILE, Lexicon, load_lexicon
from gpt_sovits.weights.base import Base, load_base
from metrics.prompt_sets import load_language, load_other_languages
from metrics.prompts import PromptSet
from stages.params import Params
from stages.profiles import PROFILES, require_heard, require_other_languages
from stages.tables import VoiceReference


@dataclass(frozen=True)
class VoiceFolders:
    """The folders in which earlier stages wrote one voice."""

    clips: Path  # data/2_clips/VOICE
    aligned: Path  # data/3_aligned/VOICE
    features: Path  # data/4_features/VOICE


@dataclass(frozen=True, eq=False)
class ScoringInputs:
    """What scoring a voice takes, whichever checkpoints speak."""

    prompts: PromptSet  # in the voice's own language
    other_prompts: tuple[PromptSet, ...]  # one set per further language
    reference_clip: VoiceReference
    centroid: np.ndarray  # (D,) float32 of unit norm: mean speaker embedding of the training clips
    lexicon: Lexicon
    lexicon_file: Path | None  # None where the voice has no lexicon of its own


@dataclass(frozen=True, eq=False)
class SynthesisInputs:
    """What a checkpoint pair needs in order to speak as the voice."""

    base: Base
    reference: Reference
    preset: Preset
    lexicon: Lexicon


def load_scoring_inputs(folders: VoiceFolders, params: Params) -> ScoringInputs:
    """Load the prompts and what the stage features knows of the voice.

    Raises:
        ValueError: prompts in one of the languages are missing, or the profile cannot speak or hear a further language.
    """
    lexicon_file = folders.features / LEXICON_FILE
    has_lexicon = lexicon_file.is_file()
    reference = VoiceReference.model_validate_json((folders.features / "reference.json").read_text(encoding="utf-8"))
    require_heard(PROFILES[params.profile].asr, reference.language)
    settings, prompts_folder = params.evaluate, Path(params.evaluate.prompts)
    others = load_other_languages(
        prompts_folder, reference.language, settings.other_languages, settings.n_other_language_prompts
    )
    require_other_languages([each.language for each in others], params.profile)
    return ScoringInputs(
        prompts=load_language(prompts_folder, reference.language),
        other_prompts=others,
        reference_clip=reference,
        centroid=load_file(folders.features / "speaker.safetensors")["centroid"].numpy(),
        lexicon=load_lexicon(lexicon_file) if has_lexicon else Lexicon(),
        lexicon_file=lexicon_file if has_lexicon else None,
    )


def load_synthesis_inputs(folders: VoiceFolders, inputs: ScoringInputs, params: Params) -> SynthesisInputs:
    """Load the base models and the reference clip, and make the preset of the voice."""
    base = load_base(PROFILES[params.profile].base)
    tensors = load_file(folders.features / "tensors" / f"{inputs.reference_clip.clip_id}.safetensors")
    reference = Reference(
        tensors["phoneme_ids"],
        tensors["semantic_tokens"],
        tensors["spectrogram"],
        tensors.get("speaker_embedding"),
    )
    return SynthesisInputs(base, reference, _preset(inputs, base, params), inputs.lexicon)


def _preset(inputs: ScoringInputs, base: Base, params: Params) -> Preset:
    settings = params.evaluate
    return Preset(
        language=inputs.prompts.language,
        other_languages=tuple(each.language for each in inputs.other_prompts),
        seconds_per_phoneme=inputs.reference_clip.seconds_per_phoneme,
        prompted=settings.prompted,
        max_sentence_characters=settings.max_sentence_characters,
        max_length_factor=settings.max_length_factor,
        max_retries=settings.max_retries,
        n_best_of=settings.n_best_of,
        token_phones=base.token_phones() if settings.n_best_of > 1 else None,
        alignment_head=settings.alignment_head,
        pause_seconds=settings.pause_seconds,
        top_k=settings.top_k,
        top_p=settings.top_p,
        temperature=settings.temperature,
        repetition_penalty=settings.repetition_penalty,
        noise_scale=settings.noise_scale,
        speed=settings.speed,
    )
