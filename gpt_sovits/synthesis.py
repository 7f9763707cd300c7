"""Speech from text with one voice: a GPT, a SoVITS and a preset (reference clip and sampling settings).

A voice folder holds
    gpt/, sovits/           checkpoints, see gpt_sovits/weights/checkpoint.py
    reference.safetensors   what the models need of the reference clip, computed once
    preset.json             how the voice speaks
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import MIN_TOKENS, Prompt, generate
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.sovits.config import FRAMES_PER_SECOND, FRAMES_PER_TOKEN, SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.text.frontend import phonemize, split_sentences
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights

TOKENS_PER_SECOND = FRAMES_PER_SECOND // FRAMES_PER_TOKEN


class Preset(BaseModel):
    """How a voice speaks. It travels with the weights as preset.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    language: str
    seconds_per_phoneme: float = Field(gt=0, description="the speaker's pace, measured on the training clips")
    max_length_factor: float = Field(ge=1, description="a sentence is cut at so many times its expected length")
    pause_seconds: float = Field(ge=0, description="silence between sentences")
    top_k: int = Field(ge=1)
    top_p: float = Field(gt=0, le=1)
    temperature: float = Field(gt=0)
    repetition_penalty: float = Field(ge=1)
    noise_scale: float = Field(ge=0)
    speed: float = Field(gt=0)

    def sampling(self) -> SamplingOptions:
        return SamplingOptions(self.top_k, self.top_p, self.temperature, self.repetition_penalty)


@dataclass(frozen=True)
class Reference:
    """What the models need of the reference clip.

    phoneme_ids: (X,) int64 of what is said in it; semantic_tokens: (Y,) int64; spectrogram: (n_fft // 2 + 1, T) float
    """

    phoneme_ids: Tensor
    semantic_tokens: Tensor
    spectrogram: Tensor


@dataclass(frozen=True)
class Speech:
    """waveform: (n_samples,) float32 in [-1, 1]; ended_by_itself: False where a length limit cut a sentence off."""

    waveform: np.ndarray
    sample_rate: int
    ended_by_itself: bool


class Synthesizer:
    """Speaks any text with one voice. Not to be shared between threads."""

    def __init__(self, gpt: GPT, sovits: SoVITS, reference: Reference, preset: Preset) -> None:
        if gpt.config.vocab_size - 1 != sovits.config.codebook_size:
            raise ValueError(
                f"the GPT speaks {gpt.config.vocab_size - 1} semantic tokens, the SoVITS knows "
                f"{sovits.config.codebook_size}; they must come from the same base model"
            )
        self.gpt, self.sovits, self.reference, self.preset = gpt.eval(), sovits.for_inference(), reference, preset
        with torch.inference_mode():
            self._style = self.sovits.mean_style([reference.spectrogram])  # once a voice, not once a sentence

    @property
    def sample_rate(self) -> int:
        return self.sovits.config.sample_rate

    @torch.inference_mode()
    def say(self, text: str, seed: int = 0) -> Speech:
        """Speak `text`. The same text and seed give the same samples; each sentence draws from its own random stream.

        Raises ValueError where there is nothing to say in the text.
        """
        pieces, ended = [], True
        pause = np.zeros(round(self.preset.pause_seconds * self.sample_rate), np.float32)
        for index, sentence in enumerate(split_sentences(text)):
            waveform, sentence_ended = self._say_sentence(sentence, derive_seed("sentence", seed, index))
            pieces += [pause, waveform] if pieces else [waveform]
            ended &= sentence_ended
        return Speech(np.concatenate(pieces), self.sample_rate, ended)

    def expected_seconds(self, text: str) -> float:
        """How long the speaker would take for `text`, from the number of its phonemes."""
        sentences = split_sentences(text)
        n_phonemes = sum(len(phonemize(sentence, self.preset.language).ids) for sentence in sentences)
        spoken = n_phonemes * self.preset.seconds_per_phoneme / self.preset.speed
        return spoken + (len(sentences) - 1) * self.preset.pause_seconds

    def _say_sentence(self, sentence: str, seed: int) -> tuple[np.ndarray, bool]:
        target = torch.tensor(phonemize(sentence, self.preset.language).ids)
        expected = len(target) * self.preset.seconds_per_phoneme
        max_tokens = max(MIN_TOKENS, math.ceil(expected * self.preset.max_length_factor * TOKENS_PER_SECOND))
        prompt = Prompt(torch.cat((self.reference.phoneme_ids, target)), self.reference.semantic_tokens)
        generated = generate(self.gpt, [prompt], [seed], self.preset.sampling(), max_tokens=max_tokens)[0]
        waveform, _ = self.sovits.decode(
            generated.tokens[None],
            target[None],
            self._style,
            speed=self.preset.speed,
            noise_scale=self.preset.noise_scale,
            generator=torch.Generator().manual_seed(derive_seed("noise", seed)),
        )
        samples = waveform.flatten().float().numpy()
        peak = float(np.abs(samples).max(initial=0.0))
        return samples / max(1.0, peak), generated.reached_eos


def load_gpt(folder: Path) -> GPT:
    """The GPT in a checkpoint folder. Raises CheckpointError (a ValueError) where it is not one."""
    config, state = load_checkpoint(folder, "gpt")
    gpt = GPT(GPTConfig.from_dict(config))
    load_weights(gpt, state, f"the GPT in {folder}")
    return gpt.eval()


def load_sovits(folder: Path) -> SoVITS:
    """The SoVITS in a checkpoint folder. Raises CheckpointError (a ValueError) where it is not one."""
    config, state = load_checkpoint(folder, "sovits")
    sovits = SoVITS(SoVITSConfig.from_dict(config))
    load_weights(sovits, state, f"the SoVITS in {folder}")
    return sovits


def save_voice(folder: Path, gpt_folder: Path, sovits_folder: Path, reference: Reference, preset: Preset) -> None:
    """Assemble a voice folder in `folder`, which must not exist. The caller moves it into place."""
    folder.mkdir(parents=True)
    shutil.copytree(gpt_folder, folder / "gpt")
    shutil.copytree(sovits_folder, folder / "sovits")
    save_file({name: tensor.contiguous() for name, tensor in vars(reference).items()}, folder / "reference.safetensors")
    (folder / "preset.json").write_text(preset.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_voice(folder: Path) -> Synthesizer:
    """The voice in a folder that `save_voice` wrote. Raises ValueError that names the file that is missing or wrong."""
    try:
        preset = Preset.model_validate_json((folder / "preset.json").read_text(encoding="utf-8"))
        reference = Reference(**load_file(folder / "reference.safetensors"))
    except (OSError, ValidationError, SafetensorError, TypeError) as error:
        raise ValueError(f"{folder}: not a voice folder ({' '.join(str(error).split())})") from error
    return Synthesizer(load_gpt(folder / "gpt"), load_sovits(folder / "sovits"), reference, preset)
