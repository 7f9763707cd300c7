"""starter/params.yaml as frozen types, and the folders of the recipe.

The environment variables STARTER_PARAMS and STARTER_WORK replace params.yaml and work/. starter/ablations.py uses them
to try other settings.
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
    """A section of params.yaml: frozen, without unknown keys, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FliteVoice(Section):
    """A voice of flite."""

    voice: str = Field(description="name of the voice in flite")
    n_utterances: int = Field(gt=0)
    pitch_hz: tuple[float, float] = Field(description="range of the mean pitch, drawn per utterance")


class CorpusSettings(Section):
    """The stage `corpus`."""

    voices: dict[str, FliteVoice]
    stranger: str = Field(description="the one of the voices that no stage trains on")
    characters: tuple[int, int] = Field(description="least and greatest length of a piece of text")
    stretch: tuple[float, float] = Field(description="range of the factor of durations, drawn per utterance")
    n_common: int = Field(gt=0, description="pieces that every voice reads; they are held out of all training")


class TrainingSettings(Section):
    """The settings that every training stage has."""

    n_steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
    decay_share: float = Field(gt=0, le=1, description="share of the steps in which the rate falls to zero")
    average_decay: float = Field(
        gt=0, lt=1, description="decay of the moving average of the weights, which is the result"
    )
    weight_decay: float = Field(ge=0)
    gradient_clip_norm: float = Field(gt=0)
    precision: Literal["fp32", "bf16"]
    evaluate_every: int = Field(gt=0, description="steps between evaluations")
    seed: int
    n_threads: int = Field(ge=1)


class ContentEncoderSettings(TrainingSettings):
    """The stage `content_encoder`. n_steps is that of the final head."""

    network: dict[str, Any] = Field(description="keys of WhisperHeadConfig: the encoder, and the sizes of the head")
    round_steps: tuple[int, int] = Field(
        description="steps of the heads that only label: one on people that pocketsphinx aligned, one on all voices"
    )
    least_score: float = Field(description="least mean log posterior of the phones of an utterance that is trained on")
    crop_seconds: float = Field(gt=0)
    largest_stretch: float = Field(ge=1, description="greatest factor by which an utterance is played faster or slower")
    disturbed_share: float = Field(ge=0, le=1, description="share of the crops from the disturbed copy")
    dropout: float = Field(ge=0, lt=1, description="share of Whisper's states that are set to 0")
    label_smoothing: float = Field(ge=0, lt=1)


class TokenSettings(Section):
    """The stage `tokens`."""

    n_centres: int = Field(gt=1)
    largest_stretch: float = Field(ge=1)
    copies: dict[str, int] = Field(description="rows of each utterance per kind of voice, each at another speed")
    sampled_minutes: float = Field(gt=0, description="speech that the centres are computed from")
    seed: int
    n_processes: int = Field(ge=1)


class AutoencoderSettings(TrainingSettings):
    """The stage `autoencoder`."""

    crop_seconds: float = Field(gt=0)
    style_seconds: float = Field(gt=0, description="length of the speech of the same speaker that gives the style")
    largest_stretch: float = Field(ge=1)
    spectral_weight: float = Field(gt=0)
    kl_weight: float = Field(ge=0, description="weight of the latent's divergence from standard normal, nats per frame")
    pitch_weight: float = Field(ge=0, description="weight of |predicted pitch - pitch of the speech|, semitones")


class LatentSettings(Section):
    """The stage `latents`."""

    n_styles: int = Field(gt=0, description="style embeddings per utterance, of random speech of its speaker")
    style_seconds: tuple[float, float] = Field(description="least and greatest length of that speech")
    seed: int
    n_threads: int = Field(ge=1)


class PriorSettings(TrainingSettings):
    """The stage `prior`."""

    longest_seconds: float = Field(gt=0, description="longer utterances are cut at phone borders")
    kl_weight: float = Field(ge=0)
    latent_weight: float = Field(ge=0, description="weight of |latent from tokens and text - latent of the speech|")
    n_threads: int = Field(
        ge=1, le=2, description="each has a part of a batch; the sum of more than two depends on the order"
    )


class JointSettings(PriorSettings):
    """The stage `joint`."""

    crop_seconds: float = Field(gt=0, description="length of the crops that become sound")
    style_seconds: float = Field(gt=0)
    spectral_weight: float = Field(ge=0, description="weight of the loss of the sound from tokens and text")
    noise_scale: float = Field(ge=0, description="deviation of the latent that becomes sound, relative to the prior's")
    pitch_weight: float = Field(ge=0, description="weight of |predicted pitch - pitch of the speech|, semitones")
    adversarial_weight: float = Field(ge=0)
    feature_weight: float = Field(ge=0)
    copy_every: int = Field(gt=0, description="steps per step that also copies the speech, which keeps the latent")
    discriminator: dict[str, Any] = Field(description="keys of gpt_sovits.sovits.config.DiscriminatorConfig")


class GPTPhase(Section):
    """The pieces of one part of the training. Short pieces come first, because the alignment forms on them."""

    share: float = Field(gt=0, le=1, description="share of the steps")
    longest_seconds: float = Field(gt=0, description="longer utterances are cut at phone borders")
    pairs: float = Field(ge=0, le=1, description="share of the pieces that follow a prompt of the same voice")


class GPTSettings(TrainingSettings):
    """The stage `gpt`. Its batch_size counts phonemes and tokens, without padding."""

    network: dict[str, Any] = Field(description="keys of gpt_sovits.gpt.model.GPTConfig")
    phases: list[GPTPhase] = Field(min_length=1)
    prompt_seconds: tuple[float, float] = Field(description="least and greatest length of the prompt of a pair")
    prompt_silence: int = Field(ge=0, description="most tokens of silence after a prompt, as in synthesis")
    moved_share: float = Field(ge=0, le=1, description="share of the pieces whose positions do not begin at 0")
    largest_move: int = Field(ge=0, description="most tokens that such a piece is placed behind")
    noise: float = Field(ge=0, lt=1, description="share of the input tokens that are replaced by random ones")
    guided_now: list[int] = Field(description="layers, from 0, whose first head learns the phoneme of the last token")
    guided_next: list[int] = Field(
        min_length=1, description="layers whose first head learns the phoneme of the next token"
    )
    guided_weight: tuple[float, float] = Field(description="weight of that loss at the start and after `guided_share`")
    guided_share: float = Field(gt=0, le=1, description="share of the steps in which the weight falls")
    n_evaluated: int = Field(gt=0, description="held-out utterances that losses are computed on")
    n_spoken: int = Field(gt=0, description="texts of those that are spoken freely")
    speak_every: int = Field(
        gt=0, description="evaluations per evaluation with free speech; the last one always has it"
    )

    @model_validator(mode="after")
    def _check_shares(self) -> GPTSettings:
        total = sum(phase.share for phase in self.phases)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of gpt.phases add up to {total}; they must add up to 1")
        return self


class Settings(Section):
    """All of params.yaml."""

    corpus: CorpusSettings
    content_encoder: ContentEncoderSettings
    tokens: TokenSettings
    sovits_network: dict[str, Any] = Field(description="keys of SoVITSConfig that do not follow from other sections")
    shares: dict[str, float] = Field(description="share of the speech that each of voices.KINDS has in all trainings")
    autoencoder: AutoencoderSettings
    latents: LatentSettings
    prior: PriorSettings
    joint: JointSettings
    gpt: GPTSettings


def load_settings(path: Path = PARAMS) -> Settings:
    """Read and validate a params.yaml of the recipe."""
    return Settings.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def stage_folder(name: str) -> Path:
    """Return the folder of a stage's outputs and state."""
    return WORK / name


def shared_folder() -> Path:
    """Return the folder of the real speech and the sentences: $VOXFOUNDRY_SHARED, or ../shared beside the project.

    Raises:
        SystemExit: The folder does not have a folder data/.
    """
    folder = Path(os.environ.get("VOXFOUNDRY_SHARED", HOME.parent.parent / "shared"))
    if not (folder / "data").is_dir():
        raise SystemExit(
            f"{folder} does not have data/; set VOXFOUNDRY_SHARED to the folder that starter/README.md describes"
        )
    return folder
