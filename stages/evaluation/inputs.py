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
from metrics.prompt_sets import load_language, load_other_languages, prompts_of_lane, prompts_of_preset
from metrics.prompts import PromptSet
from stages.capabilities import check_speaking_settings
from stages.params import Params
from stages.profiles import PROFILES, require_heard, require_other_languages
from stages.sections.evaluation import Evaluate
from stages.tables import FeatureClip, VoiceReference, read_table


@dataclass(frozen=True)
class VoiceFolders:
    """The folders in which earlier stages wrote one voice."""

    clips: Path  # data/2_clips/VOICE
    aligned: Path  # data/3_aligned/VOICE
    features: Path  # data/4_features/VOICE


@dataclass(frozen=True, eq=False)
class PresetInputs:
    """What speaking with a preset besides the default one takes."""

    name: str
    prompts: PromptSet  # of the preset's categories, in the voice's own language
    settings: Evaluate  # with the preset's changes
    clip: FeatureClip | None  # the reference that it speaks with; None: the voice's own


@dataclass(frozen=True, eq=False)
class LaneInputs:
    """What speaking in a lane besides batch takes."""

    name: str
    prompts: PromptSet  # with the lane's seeds, in the voice's own language


@dataclass(frozen=True, eq=False)
class ScoringInputs:
    """What scoring a voice takes, whichever checkpoints speak."""

    prompts: PromptSet  # in the voice's own language
    other_prompts: tuple[PromptSet, ...]  # one set per further language
    reference_clip: VoiceReference
    centroid: np.ndarray  # (D,) float32 of unit norm: mean speaker embedding of the training clips
    presets: tuple[PresetInputs, ...]  # one per preset besides the default one
    lanes: tuple[LaneInputs, ...]  # one per lane besides batch
    lexicon: Lexicon
    lexicon_file: Path | None  # None where the voice has no lexicon of its own


@dataclass(frozen=True, eq=False)
class FurtherPreset:
    """A preset besides the default one, as it is saved with the voice."""

    name: str
    preset: Preset
    reference: Reference | None  # None: the voice's own


@dataclass(frozen=True, eq=False)
class SynthesisInputs:
    """What a checkpoint pair needs in order to speak as the voice."""

    base: Base
    reference: Reference
    preset: Preset
    further_presets: tuple[FurtherPreset, ...]  # one per preset besides the default one
    lexicon: Lexicon


def load_scoring_inputs(folders: VoiceFolders, params: Params) -> ScoringInputs:
    """Load the prompts and what the stage features knows of the voice.

    Raises:
        ValueError: prompts in one of the languages are missing, the profile cannot speak or hear a further language, a
            preset names a category or a clip that does not exist, or a lane more seeds than there are.
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
    prompts = load_language(prompts_folder, reference.language)
    return ScoringInputs(
        prompts=prompts,
        other_prompts=others,
        presets=_load_presets(folders, prompts, params),
        lanes=tuple(
            LaneInputs(name, prompts_of_lane(prompts, name, lane.n_prompts, lane.n_seeds))
            for name, lane in sorted(settings.lanes.items())
        ),
        reference_clip=reference,
        centroid=load_file(folders.features / "speaker.safetensors")["centroid"].numpy(),
        lexicon=load_lexicon(lexicon_file) if has_lexicon else Lexicon(),
        lexicon_file=lexicon_file if has_lexicon else None,
    )


def load_synthesis_inputs(folders: VoiceFolders, inputs: ScoringInputs, params: Params) -> SynthesisInputs:
    """Load the base models and the reference clips, and make all presets of the voice.

    Raises:
        ValueError: the base cannot speak with the settings of `evaluate` or of a preset. The message names the key.
    """
    base = load_base(PROFILES[params.profile].base)
    check_speaking_settings(params, base)
    presets = []
    for further in inputs.presets:
        # A preset is judged in the voice's own language, so it serves no other
        preset = _make_preset(inputs, base, further.settings).model_copy(update={"other_languages": ()})
        clip = None if further.clip is None else _load_reference(folders, further.clip.clip_id)
        presets.append(FurtherPreset(further.name, preset, clip))
    return SynthesisInputs(
        base=base,
        reference=_load_reference(folders, inputs.reference_clip.clip_id),
        preset=_make_preset(inputs, base, params.evaluate),
        further_presets=tuple(presets),
        lexicon=inputs.lexicon,
    )


def _load_reference(folders: VoiceFolders, clip_id: str) -> Reference:
    """Load what the stage features made of a clip, as a reference."""
    tensors = load_file(folders.features / "tensors" / f"{clip_id}.safetensors")
    return Reference(
        tensors["phoneme_ids"],
        tensors["semantic_tokens"],
        tensors["spectrogram"],
        tensors.get("speaker_embedding"),
    )


def _make_preset(inputs: ScoringInputs, base: Base, settings: Evaluate) -> Preset:
    """Return the preset of a voice with these settings."""
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


def _load_presets(folders: VoiceFolders, prompts: PromptSet, params: Params) -> tuple[PresetInputs, ...]:
    clips = {clip.clip_id: clip for clip in read_table(folders.features / "clips.jsonl", FeatureClip)}
    voice, presets = folders.features.name, []
    for name, preset in sorted(params.presets.items()):
        clip_id = preset.reference_clips.get(voice)
        clip = None if clip_id is None else clips.get(clip_id)
        if clip_id is not None and (clip is None or clip.split != "train"):
            raise ValueError(
                f"presets.{name}.reference_clips.{voice} is {clip_id!r}, which is not a training clip of {voice}; "
                f"{folders.features / 'clips.jsonl'} lists them"
            )
        part = prompts_of_preset(prompts, name, preset.categories)
        presets.append(PresetInputs(name, part, params.speaking_settings(name), clip))
    return tuple(presets)
