"""The presets of a voice besides its default one: saved with it, then spoken and scored like the voice itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpt_sovits.synthesis.preset_files import list_presets, preset_sha256
from gpt_sovits.synthesis.voice import load_voice, save_preset
from metrics.scores import PresetScores
from stages.evaluation.inputs import (
    PresetInputs,
    ScoringInputs,
    SynthesisInputs,
    VoiceFolders,
    load_reference,
    make_preset,
)
from stages.evaluation.trials import PromptScorer, placed_in
from stages.evaluation.utterances import UtteranceTiming


def save_presets(folder: Path, inputs: ScoringInputs, synthesis: SynthesisInputs, folders: VoiceFolders) -> None:
    """Write every preset of params.yaml into the folder of a voice.

    Args:
        folder: the voice's folder.
        inputs: the presets.
        synthesis: what the voice speaks with.
        folders: where the reference clips are.
    """
    for preset in inputs.presets:
        # A preset is judged in the voice's own language, so it serves no other
        settings = make_preset(inputs, synthesis.base, preset.settings).model_copy(update={"other_languages": ()})
        reference = None if preset.clip is None else load_reference(folders, preset.clip.clip_id)
        save_preset(folder, preset.name, settings, reference)


def score_presets(
    scorer: PromptScorer, voice_folder: Path, presets: Sequence[PresetInputs], audio_dir: Path
) -> tuple[tuple[PresetScores, ...], list[UtteranceTiming]]:
    """Synthesise and score the prompts of each preset that a voice has.

    Args:
        scorer: synthesises and scores in the voice's own language.
        voice_folder: the voice with its presets.
        presets: the prompts of each.
        audio_dir: gets the audio, in one folder preset_NAME for each. It is the folder `audio` of the score folder.

    Returns:
        Scores, one part per preset, and one timing per utterance.
    """
    parts, timings = [], []
    in_voice = list_presets(voice_folder)
    for preset in presets:
        if preset.name not in in_voice:  # a registered voice of before, which is scored again
            continue
        text = scorer.reference_clip_text if preset.clip is None else preset.clip.text
        rows, more = replace(scorer, reference_clip_text=text).score(
            load_voice(voice_folder, preset=preset.name),
            preset.prompts.prompts,
            preset.prompts.seeds,
            audio_dir / f"preset_{preset.name}",
        )
        parts.append(
            PresetScores(
                name=preset.name,
                settings_sha256=preset_sha256(voice_folder, preset.name),
                reference_clip="" if preset.clip is None else preset.clip.clip_id,
                prompts_sha256=preset.prompts.sha256,
                seeds=preset.prompts.seeds,
                rows=placed_in(rows, audio_dir),
            )
        )
        timings += more
    return tuple(parts), timings
