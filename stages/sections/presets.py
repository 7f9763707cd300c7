"""The presets of params.yaml: how a voice speaks for uses besides the default one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.sections.section import Section

# The keys of `evaluate` that a preset can change. The others are about the base model, or about scoring.
SpeakingSetting = Literal[
    "top_k",
    "top_p",
    "temperature",
    "repetition_penalty",
    "noise_scale",
    "speed",
    "pause_seconds",
    "prompted",
    "max_sentence_characters",
    "max_length_factor",
    "max_retries",
    "n_best_of",
]


class PresetSettings(Section):
    """How a voice speaks for one use, and the prompts that judge it."""

    categories: tuple[str, ...] = Field(
        min_length=1,
        description="Categories of prompts that the voice speaks with this preset. Only these judge it. At least one.",
    )
    settings: dict[SpeakingSetting, bool | int | float] = Field(
        description="Keys of `evaluate` about speaking, with other values than there. {}: none."
    )
    reference_clips: dict[str, str] = Field(
        description="Training clip whose style this preset speaks with, by voice. A voice that is not named keeps the "
        "reference that features chose. {}: every voice does."
    )
