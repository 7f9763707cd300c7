"""Whether the base model and the machine can do what params.yaml says, checked before they are needed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from stages.params import Params

if TYPE_CHECKING:  # it loads torch, which a run whose stages are up to date does without
    from gpt_sovits.weights.base import Base


def check_speaking_settings(params: Params, base: Base) -> None:
    """Check that voices adapted from a base model can speak with the settings of `evaluate` and of every preset.

    Args:
        params: all of params.yaml.
        base: the base model of the profile.

    Raises:
        ValueError: a setting needs what the base does not have. The message names every such setting by its key.
    """
    from gpt_sovits.gpt.reading import check_head

    faults, settings = [], params.evaluate
    counts = {"evaluate.n_best_of": settings.n_best_of}
    for name, preset in sorted(params.presets.items()):
        if "n_best_of" in preset.settings:  # without it, the preset has the number of `evaluate`
            counts[f"presets.{name}.settings.n_best_of"] = params.speaking_settings(name).n_best_of
    if base.token_phones() is None:
        faults += [
            f"{key} is {n}, which takes a base model whose tokens map to phones, and base {base.name} has none; set "
            "it to 1"
            for key, n in counts.items()
            if n > 1
        ]
    if settings.alignment_head is not None:
        try:
            check_head(settings.alignment_head, base.gpt_config)
        except ValueError as error:
            faults.append(f"evaluate.{error}")
    if faults:
        raise ValueError("\n".join(faults))


def find_device_faults(params: Params, stages: Collection[str]) -> list[str]:
    """Return what speaks against training on the devices of params.yaml, one sentence per stage of `stages`."""
    sections = {"adapt_sovits": params.adapt_sovits, "adapt_gpt": params.adapt_gpt}
    devices = {f"{name}.device": section.device for name, section in sections.items() if name in stages}
    return [fault for key, device in devices.items() if device != "cpu" and (fault := _device_fault(key, device))]


def _device_fault(key: str, device: str) -> str:
    from gpt_sovits.determinism import require_device

    try:
        require_device(device, key)
    except ValueError as error:
        return str(error)
    return ""
