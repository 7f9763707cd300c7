"""The presets of a voice besides its default one: saved with it, then spoken and scored like the voice itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpt_sovits.synthesis.preset_files import list_presets, preset_sha256
from gpt_sovits.synthesis.voice import load_voice, save_preset
from metrics.scores import PresetScores
from stages.evaluation.inputs import FurtherPreset, PresetInputs
from stages.evaluation.trials import PromptScorer, placed_in
from stages.evaluation.utterances import UtteranceTiming


def save_presets(folder: Path, presets: Sequence[FurtherPreset]) -> None:
    """Write presets besides the default one into the folder of a voice."""
    for further in presets:
        save_preset(folder, further.name, further.preset, further.reference)


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
