"""starter/params.yaml as frozen types, and where the recipe keeps what it makes.

$STARTER_PARAMS and $STARTER_WORK stand in for params.yaml and work/: starter/ablations.py tries other settings so.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

HOME = Path(__file__).resolve().parent
WORK = Path(os.environ.get("STARTER_WORK", HOME / "work"))  # not in git; DVC tracks it
PARAMS = Path(os.environ.get("STARTER_PARAMS", HOME / "params.yaml"))


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SyntheticVoice(Section):
    program: Literal["flite", "festival"]
    voice: str = Field(description="its name in that program")
    n_utterances: int = Field(gt=0)
    pitch_hz: tuple[float, float] | None = Field(None, description="mean of the melody, drawn for each utterance")


class CorpusSettings(Section):
    voices: dict[str, SyntheticVoice]
    stranger: str = Field(description="the one of the voices that no stage trains on")
    characters: tuple[int, int] = Field(description="least and most of a piece of text")
    stretch: tuple[float, float] = Field(description="of durations, drawn for each utterance")
    n_common: int = Field(gt=0, description="pieces that every voice reads: they are held out from all training")


class TrainingSettings(Section):
    """Of every stage that trains."""

    n_steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
    decay_share: float = Field(gt=0, le=1, description="share of the steps in which the rate falls to nothing")
    average_decay: float = Field(gt=0, lt=1, description="of the moving average of the weights, which is what is kept")
    weight_decay: float = Field(ge=0)
    gradient_clip_norm: float = Field(gt=0)
    precision: Literal["fp32", "bf16"]
    evaluate_every: int = Field(gt=0, description="steps")
    seed: int
    n_threads: int = Field(ge=1)


class ContentEncoderSettings(TrainingSettings):
    network: dict[str, Any] = Field(description="transformers.HubertConfig")
    shares: dict[str, float] = Field(description="of the crops that a voice gives; `others` for those not named")
    crop_seconds: float = Field(gt=0)
    largest_stretch: float = Field(ge=1, description="a crop is played up to so many times as fast or as slow")
    label_smoothing: float = Field(ge=0, lt=1)


class TokenSettings(Section):
    n_centres: int = Field(gt=1)
    largest_stretch: float = Field(ge=1)
    n_sampled: int = Field(gt=0, description="utterances of each voice that the centres are computed from")
    seed: int
    n_threads: int = Field(ge=1)


class AutoencoderSettings(TrainingSettings):
    shares: dict[str, float] = Field(description="of the crops that a voice gives; `others` for those not named")
    crop_seconds: float = Field(gt=0)
    style_seconds: float = Field(gt=0, description="of other speech of the same utterance")
    largest_stretch: float = Field(ge=1)
    spectral_weight: float = Field(gt=0)
    kl_weight: float = Field(ge=0, description="of the latent's divergence from standard normal, nats a frame")


class PriorSettings(TrainingSettings):
    longest_seconds: float = Field(gt=0, description="longer utterances are left out")
    crop_seconds: float = Field(gt=0, description="that become sound")
    style_seconds: float = Field(gt=0)
    spectral_weight: float = Field(ge=0, description="of the sound that the tokens and the text make")
    kl_weight: float = Field(ge=0)
    latent_weight: float = Field(ge=0, description="of |latent of the tokens and the text - latent of the speech|")
    noise_scale: float = Field(ge=0, description="deviation of the latent that becomes sound, of the prior's")


class JointSettings(PriorSettings):
    adversarial_weight: float = Field(ge=0)
    feature_weight: float = Field(ge=0)
    discriminator: dict[str, Any] = Field(description="DiscriminatorConfig")


class GPTPhase(Section):
    """What is read in a part of the training; the alignment locks on short pieces first."""

    share: float = Field(gt=0, le=1, description="of the steps")
    longest_seconds: float = Field(gt=0, description="longer utterances are cut at the borders of phones")
    pairs: float = Field(ge=0, le=1, description="share of the pieces that follow a prompt of the same voice")


class GPTSettings(TrainingSettings):
    """batch_size counts places: phonemes and tokens, padding aside."""

    network: dict[str, Any] = Field(description="gpt_sovits.gpt.model.GPTConfig")
    phases: list[GPTPhase] = Field(min_length=1)
    prompt_seconds: tuple[float, float] = Field(description="of the prompt in a pair, least and most")
    prompt_silence: int = Field(ge=0, description="at most so many tokens of silence follow a prompt, as in synthesis")
    moved_share: float = Field(ge=0, le=1, description="of the pieces whose positions do not begin at 0")
    largest_move: int = Field(ge=0, description="tokens that are thought to come before such a piece, at most")
    noise: float = Field(ge=0, lt=1, description="share of the tokens read that are replaced by random ones")
    guided_now: list[int] = Field(description="layers, from 0, whose first head is shown the phoneme of the last token")
    guided_next: list[int] = Field(min_length=1, description="layers, and the phoneme of the token that comes next")
    guided_weight: tuple[float, float] = Field(description="of that loss, at the start and once `guided_share` is over")
    guided_share: float = Field(gt=0, le=1, description="of the steps in which the weight falls")
    n_evaluated: int = Field(gt=0, description="utterances held out of training that losses are computed on")
    n_spoken: int = Field(gt=0, description="texts among them that are spoken freely")
    speak_every: int = Field(gt=0, description="evaluations; the last one always speaks")

    @model_validator(mode="after")
    def _whole(self) -> GPTSettings:
        total = sum(phase.share for phase in self.phases)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of gpt.phases add up to {total}; they must be 1 in all")
        return self


class Settings(Section):
    corpus: CorpusSettings
    content_encoder: ContentEncoderSettings
    tokens: TokenSettings
    sovits_network: dict[str, Any] = Field(description="SoVITSConfig, but for what follows from other sections")
    autoencoder: AutoencoderSettings
    prior: PriorSettings
    joint: JointSettings
    gpt: GPTSettings


def load_settings(path: Path = PARAMS) -> Settings:
    return Settings.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def stage_folder(name: str) -> Path:
    """Where the stage of this name keeps its outputs and its state."""
    return WORK / name


def shared_folder() -> Path:
    """Where the real speech and the sentences lie: $VOXFOUNDRY_SHARED, or ../shared beside the project."""
    folder = Path(os.environ.get("VOXFOUNDRY_SHARED", HOME.parent.parent / "shared"))
    if not (folder / "data").is_dir():
        raise SystemExit(f"{folder} has no data/; set VOXFOUNDRY_SHARED to the folder that starter/README.md describes")
    return folder
