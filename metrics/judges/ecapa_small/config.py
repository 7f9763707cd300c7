"""Typed config.json of the small ECAPA: what it hears, how big it is and how it was trained."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class FeatureConfig:
    """Log-mel features; lengths in samples at sample_rate Hz."""

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    min_frequency_hz: float
    max_frequency_hz: float


@dataclass(frozen=True)
class ModelConfig:
    """Arguments of speechbrain's ECAPA_TDNN; embedding_size is its lin_neurons."""

    channels: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    attention_channels: int
    res2net_scale: int
    se_channels: int
    embedding_size: int


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The speeds beside 1.0 count as further speakers: pitch and formants move with them.

    session_share of the crops is heard in another simulated session; it and the margin ramp up over ramp_steps.
    """

    seed: int
    n_steps: int
    batch_size: int
    crop_seconds: tuple[float, ...]
    speeds: tuple[float, ...]
    validation_every_nth_speaker: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    margin: float
    scale: float
    session_share: float
    ramp_steps: int


@dataclass(frozen=True)
class EcapaConfig:
    """Everything in config.json. weights_sha256 is of the safetensors file beside it; empty before training."""

    name: str
    version: str
    features: FeatureConfig
    model: ModelConfig
    training: TrainConfig
    weights_sha256: str


def _section(kind: type, values: dict[str, Any], where: str) -> Any:
    """A config section; refuses missing and unknown keys by name."""
    names = {field.name for field in dataclasses.fields(kind)}
    if set(values) != names:
        missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
        raise ValueError(f"{where}: missing keys {missing}, unknown keys {unknown}; there should be {sorted(names)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def load_config(folder: Path) -> EcapaConfig:
    """Read FOLDER/config.json. Raises FileNotFoundError or ValueError naming the file and the keys."""
    path = folder / CONFIG_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    for key, kind in (("features", FeatureConfig), ("model", ModelConfig), ("training", TrainConfig)):
        if not isinstance(values.get(key), dict):
            raise ValueError(f"{path}: section {key!r} is missing; restore the file from git or train again")
        values[key] = _section(kind, values[key], f"{path}: {key}")
    return _section(EcapaConfig, values, str(path))


def config_json(config: EcapaConfig) -> str:
    """The text of config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
