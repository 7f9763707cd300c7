"""params.yaml as frozen types: one section per stage, key for key. Unknown keys are refused.

The sections are in stages/sections. The `gate` section is typed in registry/gate/policy.py, and the `serve` section in
serving/settings.py. No stage reads them, so no stage becomes stale when they change.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gpt_sovits.preset_names import DEFAULT_PRESET, PRESET_NAME
from registry.consent.record import VOICE_NAME
from registry.names import shorten
from stages.sections.consent import Consent
from stages.sections.data import Align, Features, Ingest, Segment
from stages.sections.evaluation import Evaluate, Register
from stages.sections.presets import PresetSettings
from stages.sections.releases import Releases
from stages.sections.section import Section
from stages.sections.training import AdaptGpt, AdaptSovits


class Params(Section):
    """All of params.yaml."""

    voices: tuple[str, ...] = Field(
        min_length=1, description="Voices that dvc.yaml builds: names of folders in data/1_recordings, each once."
    )
    profile: Literal["starter", "v2", "v2Pro", "v2ProPlus"] = Field(
        description="Base models and judges, see stages/profiles.py."
    )
    settings_for: Literal["starter", "official"] = Field(
        description="Base models that adapt_sovits, adapt_gpt and evaluate are set for. They must fit the profile."
    )
    ingest: Ingest
    segment: Segment
    align: Align
    features: Features
    adapt_sovits: AdaptSovits
    adapt_gpt: AdaptGpt
    evaluate: Evaluate
    presets: dict[str, PresetSettings] = Field(
        description="How the voice speaks for uses besides the default one, by name. gate.presets needs rules for each."
    )
    register_: Register = Field(alias="register")  # a pydantic model has a method `register`
    consent: Consent
    releases: Releases
    serve: dict[str, Any] = Field(description="How released voices are served, see serving/settings.py.")
    gate: dict[str, Any] = Field(description="Policy of releases, see registry/gate/policy.py.")

    @model_validator(mode="after")
    def _settings_fit_the_profile(self) -> Params:
        required = "starter" if self.profile == "starter" else "official"
        if self.settings_for != required:
            source = "params.official.yaml" if required == "official" else "the params.yaml of the repository"
            raise ValueError(
                f"profile {self.profile} takes settings for {required} base models, but settings_for is "
                f"{self.settings_for}, which would spoil its voices; copy adapt_sovits, adapt_gpt and evaluate from "
                f"{source} and set settings_for: {required}"
            )
        return self

    @model_validator(mode="after")
    def _other_languages_have_rules(self) -> Params:
        with_rules = self.gate.get("other_languages") or {}
        if missing := [code for code in self.evaluate.other_languages if code not in with_rules]:
            raise ValueError(
                f"evaluate.other_languages names {', '.join(missing)}, and gate.other_languages has no rules for it, "
                "so no verdict could pass; write thresholds and margins there, see docs/verdict.md"
            )
        return self

    @model_validator(mode="after")
    def _lanes_have_rules(self) -> Params:
        with_rules = self.gate.get("lanes") or {}
        if missing := [name for name in self.evaluate.lanes if name not in with_rules]:
            raise ValueError(
                f"evaluate.lanes names {', '.join(missing)}, and gate.lanes has no rules for it, so no voice could be "
                "served in it; write thresholds and margins there, see docs/verdict.md"
            )
        return self

    @model_validator(mode="after")
    def _presets_are_usable(self) -> Params:
        with_rules = self.gate.get("presets") or {}
        for name, preset in self.presets.items():
            if not re.fullmatch(PRESET_NAME, name) or name == DEFAULT_PRESET:
                raise ValueError(
                    f"presets: {name!r} cannot be the name of a preset; use at most 32 of a-z, 0-9, - and _, and not "
                    f"{DEFAULT_PRESET}, which is the voice's default preset"
                )
            if name not in with_rules:
                raise ValueError(
                    f"presets has {name}, and gate.presets has no rules for it, so no verdict could pass; write "
                    "thresholds and margins there, see docs/profiles.md"
                )
            if unknown := sorted(set(preset.reference_clips) - set(self.voices)):
                raise ValueError(f"presets.{name}.reference_clips names {', '.join(unknown)}, not among `voices`")
            self.speaking_settings(name)
        return self

    def speaking_settings(self, preset: str) -> Evaluate:
        """Return the section `evaluate` with the changes of a preset.

        Raises:
            ValueError: a changed value is out of range.
        """
        try:
            return Evaluate.model_validate(self.evaluate.model_dump() | self.presets[preset].settings)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError("; ".join(f"presets.{preset}.settings.{fault}" for fault in faults)) from error

    @field_validator("voices")
    @classmethod
    def _folder_names(cls, voices: tuple[str, ...]) -> tuple[str, ...]:
        # DVC puts the names into commands that a shell runs
        if bad := [voice for voice in voices if not re.fullmatch(VOICE_NAME, voice)]:
            raise ValueError(f"{bad}: a voice is a folder in data/1_recordings with a name of letters, digits, - and _")
        if len(set(voices)) != len(voices):
            raise ValueError(f"{list(voices)} names a voice twice")
        return voices


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Load and check params.yaml.

    Raises:
        ValueError: the file is missing or not valid. The message lists every wrong key with the value seen.
    """
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path.absolute()} is missing; run this in the project's root folder") from error
    # ValueError: not UTF-8, or a day that does not exist such as 2030-02-31
    except (YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    return parse_params(raw, str(path))


def parse_params(raw: object, source: str) -> Params:
    """Return the typed parameters of a parsed YAML document. `source` names it in errors."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the whole file'}: {fault['msg']}"
            + ("" if fault["type"] == "missing" or not fault["loc"] else f" (seen: {shorten(fault['input'])!r})")
            for fault in error.errors()
        )
        raise ValueError(f"{source}: {faults}") from error
