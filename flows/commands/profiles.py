"""`vox profile list|show|compare`: how the voices in service speak, and how good that is."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from flows.console import print_error, print_line, print_table
from registry.errors import RegistryError
from registry.profiles.comparison import compare_versions
from registry.profiles.profile import PresetProfile, SpeakerProfile, read_profile, read_voice_in_service
from registry.storage.records import list_voices
from registry.storage.store import open_store

UNREADABLE = 2  # exit code
METRICS = ("wer", "cer", "similarity", "failed_share")


def list_profiles(*, as_json: bool) -> int:
    """Print the voices in service. A voice whose records cannot be read is named with the reason.

    Returns:
        0, or 2 where the records of a voice cannot be read.
    """
    store, voices, faults = open_store(), [], []
    for name in list_voices(store):
        try:
            if (voice := read_voice_in_service(store, name)) is not None:
                voices.append(voice)
        except RegistryError as error:
            faults.append(str(error))
    if as_json:
        print(json.dumps({"profiles": [asdict(voice) for voice in voices], "faults": faults}, indent=2))
        return UNREADABLE if faults else 0
    if voices:
        rows = [(voice.voice, str(voice.version), ", ".join(voice.presets), ", ".join(voice.lanes)) for voice in voices]
        print_table(rows, header=("voice", "version", "presets", "lanes"))
    elif not faults:
        print_line("no voice is in service; `vox promote` releases one")
    for fault in faults:
        print_error(fault)
    return UNREADABLE if faults else 0


def show_profile(voice: str, *, as_json: bool) -> int:
    """Print the profile of a voice."""
    profile = read_profile(open_store(), voice)
    if as_json:
        print(json.dumps(_profile_json(profile), indent=2))
        return 0
    print_line(f"{voice} version {profile.version}, candidate {profile.candidate_id[:12]}")
    for preset in profile.presets:
        _print_preset(preset)
    print_line()
    rows = []
    for one in profile.history:
        version = "-" if one.version is None else str(one.version)
        wer = ", ".join(f"{name} {_figure(figures.get('wer'))}" for name, figures in one.figures.items())
        rows.append((str(one.row), one.utc[:19], one.action, version, one.actor, wer or "-"))
    print_table(rows, header=("row", "when (UTC)", "action", "version", "by", "wer by preset"))
    return 0


def compare_profiles(voice: str, versions: tuple[int, int], *, as_json: bool) -> int:
    """Print two versions of a voice side by side."""
    found = compare_versions(open_store(), voice, *versions)
    if as_json:
        print(json.dumps(_finite(asdict(found)), indent=2))
        return 0
    if found.not_comparable:
        print_line(f"the figures cannot be compared: the versions differ in {', '.join(found.not_comparable)}")
    rows = []
    for preset in found.presets:
        for name in METRICS:
            first, second = preset.first.get(name), preset.second.get(name)
            difference = math.nan if first is None or second is None or found.not_comparable else second - first
            change = "-" if math.isnan(difference) else f"{difference:+.3f}"
            rows.append((preset.name, name, _figure(first), _figure(second), change))
    print_table(rows, header=("preset", "figure", f"version {versions[0]}", f"version {versions[1]}", "change"))
    for preset in found.presets:
        if preset.only_in is not None:
            print_line(f"{preset.name}: only version {preset.only_in} has it")
        for name, (first, second) in preset.changed.items():
            print_line(f"{preset.name}: {name} was {_setting(first)} and is {_setting(second)}")
        if not preset.same_references:
            print_line(f"{preset.name}: it speaks with another reference")
    return 0


def _print_preset(preset: PresetProfile) -> None:
    print_line()
    print_line(f"{preset.name}: {preset.outcome or 'not judged, so not served'}, {preset.n_prompts} prompts")
    print_line("  " + ", ".join(f"{name} {_figure(preset.figures.get(name))}" for name in METRICS))
    for clip in preset.references:
        made_of = f" of the clip {clip.clip_id}" if clip.clip_id else ""
        print_line(f"  {clip.file}{made_of}: {clip.seconds:.1f} s, sha256 {clip.sha256[:12]}")
    print_line("  " + ", ".join(f"{name} {_setting(value)}" for name, value in preset.settings.items()))
    for check in preset.thresholds:
        where = f" in {check.slice}" if check.slice and check.slice != f"preset {preset.name}" else ""
        relative = f" ({check.scale} to {check.relative_to})" if check.relative_to else ""
        bound = f"{check.direction.replace('_', ' ')} {check.threshold:.3f}"
        outcome = "met" if check.met else "missed"
        print_line(f"  {check.metric}{where}{relative} {check.value:.3f}, must be {bound}: {outcome}")


def _profile_json(profile: SpeakerProfile) -> dict[str, Any]:
    content = asdict(profile)
    for preset, source in zip(content["presets"], profile.presets, strict=True):
        preset["thresholds"] = [check.model_dump() for check in source.thresholds]
    return _finite(content)


def _finite(value: Any) -> Any:
    """Return a JSON value in which NaN, which JSON does not have, is null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
