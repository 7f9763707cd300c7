"""Typed config.json of the small ECAPA: its features, its sizes and its training."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
REMOVED_MEANS = {"band": (1,), "utterance": (1, 2)}  # axes of (B, n_frames, n_mels)


@dataclass(frozen=True)
class FeatureConfig:
    """Log-mel features. Lengths are in samples at sample_rate Hz.

    removed_mean says which mean is subtracted: `band` removes the mean of each mel band over the frames, and with it
    any fixed channel. `utterance` removes one mean over bands and frames, which keeps the speaker's average spectrum.
    """

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    min_frequency_hz: float
    max_frequency_hz: float
    removed_mean: str

    def __post_init__(self) -> None:
        if self.removed_mean not in REMOVED_MEANS:
            raise ValueError(f"removed_mean is {self.removed_mean!r}; it must be one of {sorted(REMOVED_MEANS)}")


@dataclass(frozen=True)
class ModelConfig:
    """Arguments of speechbrain's ECAPA_TDNN. embedding_size is its lin_neurons."""

    channels: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    attention_channels: int
    res2net_scale: int
    se_channels: int
    embedding_size: int


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Every variant (speed, formants) of a clip counts as a further speaker, see voices.py. session_share of the crops is
    heard in another simulated session. That share and the margin rise over ramp_steps. The weights of the three parts
    of the loss are explained in losses.py. A second stage starts from the weights with start_sha256.
    """

    seed: int
    start_sha256: str
    n_steps: int
    batch_size: int
    crop_seconds: tuple[float, ...]
    variants: tuple[tuple[float, float], ...]
    validation_every_nth_speaker: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    margin: float
    scale: float
    labels_weight: float
    direction_weight: float
    relations_weight: float
    session_share: float
    ramp_steps: int


@dataclass(frozen=True)
class EcapaConfig:
    """Everything in config.json. weights_sha256 is the hash of the weights file, empty before training."""

    name: str
    version: str
    features: FeatureConfig
    model: ModelConfig
    training: TrainConfig
    weights_sha256: str


def _section(kind: type, values: dict[str, Any], where: str) -> Any:
    """Return a section of the config. Raise ValueError that names missing and unknown keys."""
    names = {field.name for field in dataclasses.fields(kind)}
    if set(values) != names:
        missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
        raise ValueError(f"{where}: missing keys {missing}, unknown keys {unknown}; there should be {sorted(names)}")
    try:
        return kind(**{key: _as_tuple(value) for key, value in values.items()})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _as_tuple(value: Any) -> Any:
    """Return a JSON list as a tuple, and the lists in it too."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def load_config(folder: Path) -> EcapaConfig:
    """Load FOLDER/config.json.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: keys are missing or unknown, or a value is wrong. The message names the file and the keys.
    """
    path = folder / CONFIG_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    for key, kind in (("features", FeatureConfig), ("model", ModelConfig), ("training", TrainConfig)):
        if not isinstance(values.get(key), dict):
            raise ValueError(f"{path}: section {key!r} is missing; restore the file from git or train again")
        values[key] = _section(kind, values[key], f"{path}: {key}")
    return _section(EcapaConfig, values, str(path))


def config_json(config: EcapaConfig) -> str:
    """Return the text of config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
