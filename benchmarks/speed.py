"""The speed of the models. Each figure stands beside the limit of the machine.

    python -m benchmarks.speed --size v2                      # a table
    python -m benchmarks.speed --size v2 --precision int8 --only gpt
    python -m benchmarks.speed --size starter --markdown benchmarks/RESULTS.md

The weights are random, in the official sizes or those of the starter base, because speed does not depend on them.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.limits import Limits, count_operations, measure_limits, spread, time_calls
from benchmarks.speed_report import as_markdown, as_table
from gpt_sovits.adaptation.gpt import adapt_gpt
from gpt_sovits.adaptation.gpt_batch import GPTClip
from gpt_sovits.adaptation.gpt_recipe import AdaptGPTOptions
from gpt_sovits.adaptation.sovits import adapt_sovits
from gpt_sovits.adaptation.sovits_batch import SoVITSClip
from gpt_sovits.adaptation.sovits_recipe import AdaptSoVITSOptions
from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.inference import begin_decoding, prepare_for_inference
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.precision import BYTES_PER_WEIGHT, HAS_BFLOAT16_ARITHMETIC, PRECISIONS
from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR, DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.layers.weight_norm import fold_weight_norm
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.preset import default_preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.weights.base import STARTER, load_base

SIZES = ("tiny", "starter", *OFFICIAL)
N_PHONEMES, N_PROMPT_TOKENS = 60, 100  # a sentence after a reference of 4 s and its text
SENTENCE = "The meeting was moved from nine to eleven in the morning."
PARTS = ("gpt", "sovits", "stream", "training")
BATCH_SIZE = 4  # of the adaptations


@cache
def sizes(name: str) -> tuple[GPTConfig, SoVITSConfig, DiscriminatorConfig]:
    """Return the sizes of the networks: official ones, `starter`, or `tiny`, which is `starter` with a tiny GPT."""
    if name in OFFICIAL:
        return GPTConfig(), OFFICIAL[name], OFFICIAL_DISCRIMINATOR[name]
    base = load_base(STARTER)
    gpt = base.gpt_config
    if name == "tiny":
        gpt = replace(gpt, hidden_size=32, n_heads=2, n_layers=2)
    return gpt, base.sovits_config, base.discriminator_config


@dataclass(frozen=True)
class Figure:
    """One row of the table: statistics of the repeats."""

    what: str
    unit: str
    median: float
    least: float
    greatest: float
    limit: float | None  # of the machine, in the same unit, where one is known
    command: str


@dataclass(frozen=True)
class Setting:
    """The networks to measure, and how to measure them."""

    size: str
    device: str
    precision: str
    n_threads: int
    n_repeats: int
    seconds: float

    def command(self, part: str) -> str:
        """Return the command that measures a part again."""
        words = [f"--size {self.size}", f"--precision {self.precision}", f"--threads {self.n_threads}"]
        words += [f"--device {self.device}"] if self.device != "cpu" else []
        words += ["--quick"] if self.n_repeats == 1 else []
        return f"python -m benchmarks.speed {' '.join(words)} --only {part}"

    @property
    def dtype(self) -> torch.dtype:
        """Type of matrix products of many rows."""
        return torch.bfloat16 if self.precision in HAS_BFLOAT16_ARITHMETIC else torch.float32

    def figure(self, part: str, what: str, unit: str, values: Sequence[float], limit: float | None = None) -> Figure:
        """Return the figure of repeated measurements.

        Args:
            part: The part that the figure belongs to.
            what: The name of the figure.
            unit: The unit of the values and of the limit.
            values: One value per repeat.
            limit: The limit of the machine, if one is known.
        """
        return Figure(what, unit, *spread(list(values)), limit, self.command(part))

    def time(self, work: Callable[[], object]) -> list[float]:
        """Return the seconds of each repeat of `work`."""
        return time_calls(work, self.device, self.n_repeats)


def random_gpt(setting: Setting) -> GPT:
    """Return a GPT with seeded random weights."""
    torch.manual_seed(0)
    return GPT(sizes(setting.size)[0]).eval().to(setting.device)


def random_sovits(setting: Setting) -> SoVITS:
    """Return a SoVITS with seeded random weights."""
    torch.manual_seed(0)
    return SoVITS(sizes(setting.size)[1]).eval().to(setting.device)


def gpt_figures(setting: Setting, limits: Limits) -> list[Figure]:
    """Measure the tokens per second of one sentence and of eight without the prompt, and the time of the prompt."""
    model = random_gpt(setting)
    config, device = model.config, setting.device
    n_weights = sum(p.numel() for p in model.h.parameters()) + model.ar_predict_layer.weight.numel()
    limit = limits.bytes_per_second / (n_weights * BYTES_PER_WEIGHT[setting.precision])
    prepare_for_inference(model, setting.precision)
    g = torch.Generator().manual_seed(0)
    prompt = Prompt(
        torch.randint(config.phoneme_vocab_size, (N_PHONEMES,), generator=g).to(device),
        torch.randint(config.eos_token, (N_PROMPT_TOKENS,), generator=g).to(device),
    )
    n_tokens = max(2, round(setting.seconds * 25))
    figures, medians = [], {}
    for n_rows in (1, 8):

        def speak(n: int, n_rows: int = n_rows) -> None:
            generate(model, [prompt] * n_rows, list(range(n_rows)), min_tokens=n, max_tokens=n)

        whole, first = setting.time(partial(speak, n_tokens)), setting.time(partial(speak, 1))
        prefill = min(*first, 0.5 * min(whole))  # on a busy machine the prompt may seem to take longer than the whole
        rates = [n_rows * (n_tokens - 1) / (seconds - prefill) for seconds in whole]
        medians[n_rows] = spread(rates)[0]
        what = f"GPT, {n_rows} sentence{'s' * (n_rows > 1)}"
        figures.append(setting.figure("gpt", what, "tokens/s", rates, limit if n_rows == 1 else None))
        figures.append(setting.figure("gpt", f"{what}: the prompt", "ms", [1000 * s for s in first]))
    figures.append(setting.figure("gpt", "GPT, 8 sentences over 1", "times the tokens/s", [medians[8] / medians[1]]))
    figures.append(setting.figure("gpt", "GPT, error of a step's logits", "of the largest", [_logit_error(setting)]))
    return figures


@torch.inference_mode()
def _logit_error(setting: Setting) -> float:
    """Return the largest difference from plain float32 over 20 steps of two prompts, relative to the largest logit."""
    from gpt_sovits.gpt.generation import prepare_prompts
    from gpt_sovits.gpt.plain_decoder import PlainDecoding

    plain = random_gpt(setting)
    fast = prepare_for_inference(copy.deepcopy(plain), setting.precision)
    g = torch.Generator().manual_seed(1)
    prompts = [
        Prompt(torch.randint(700, (n,), generator=g), torch.randint(plain.config.eos_token, (20,), generator=g))
        for n in (30, 50)
    ]
    inputs = prepare_prompts(plain, prompts, torch.device(setting.device))
    ways = [PlainDecoding(plain, inputs), begin_decoding(fast, inputs, 20)]
    largest = 0.0
    for step in range(20):
        tokens = torch.randint(plain.config.eos_token, (2,), generator=g).to(setting.device)
        positions = torch.full((2,), 20 + step, device=setting.device)
        expected, actual = (way.step(tokens, positions) for way in ways)
        largest = max(largest, float((actual - expected).abs().max() / expected.abs().max()))
    return largest


def sovits_figures(setting: Setting, limits: Limits) -> list[Figure]:
    """Measure the seconds of work per second of sound, from tokens and style, and the error of the precision."""
    plain = random_sovits(setting)
    model = copy.deepcopy(plain).for_inference(setting.precision)
    config, device = model.config, setting.device
    n_tokens = max(2, round(setting.seconds * 25))
    g = torch.Generator().manual_seed(0)
    codes = torch.randint(config.codebook_size, (1, n_tokens), generator=g).to(device)
    phonemes = torch.randint(config.n_symbols, (1, N_PHONEMES), generator=g).to(device)
    style = torch.randn(1, config.style_channels, 1, generator=g).to(device)

    def speak(sovits: SoVITS) -> torch.Tensor:
        return sovits.decode(codes, phonemes, style, generator=torch.Generator().manual_seed(0))[0]

    seconds = n_tokens / 25
    fold_weight_norm(plain)  # its products must not be counted
    least = count_operations(lambda: speak(plain)) / limits.operations_per_second
    factors = [s / seconds for s in setting.time(lambda: speak(model))]
    figures = [setting.figure("sovits", "SoVITS, real-time factor", "s/s", factors, least / seconds)]
    expected, actual = speak(plain), speak(model)
    noise = (actual - expected).square().mean().clamp(min=1e-30)
    decibels = float(10 * torch.log10(expected.square().mean() / noise))
    figures.append(setting.figure("sovits", "SoVITS, plain float32 sound over difference", "dB", [decibels]))
    return figures


def random_voice(setting: Setting) -> Synthesizer:
    """Return a voice with random weights, which speaks each sentence to its longest length."""
    gpt, sovits = random_gpt(setting), random_sovits(setting)
    config, g = sovits.config, torch.Generator().manual_seed(0)
    reference = Reference(
        torch.randint(config.n_symbols, (N_PHONEMES,), generator=g),
        torch.randint(config.codebook_size, (N_PROMPT_TOKENS,), generator=g),
        torch.rand(config.spectrogram_bins, 200, generator=g),
        torch.rand(config.speaker_dim, generator=g) if config.speaker_dim else None,
    )
    preset = default_preset("en", 0.09, max_length_factor=1.1)  # random weights never end a sentence
    return Synthesizer(gpt, sovits, reference, preset, precision=setting.precision)


def stream_figures(setting: Setting, _: Limits) -> list[Figure]:
    """Measure the time from a text to the first sound, and to the last."""
    synthesizer = random_voice(setting)
    firsts, first_work, factors = [], [], []

    def speak() -> None:
        begin, used = time.perf_counter(), time.process_time()
        n_samples = 0
        for chunk in stream(synthesizer, SENTENCE):
            if not n_samples:
                firsts.append(1000 * (time.perf_counter() - begin))
                first_work.append(1000 * (time.process_time() - used))
            n_samples += len(chunk.waveform)
        factors.append((time.perf_counter() - begin) * synthesizer.sample_rate / n_samples)

    setting.time(speak)
    return [
        setting.figure("stream", "stream, first sound", "ms", firsts[1:]),  # the first round warms up
        setting.figure("stream", "stream, CPU time until the first sound", "ms", first_work[1:]),
        setting.figure("stream", "stream, real-time factor of all", "s/s", factors[1:]),
    ]


def training_figures(setting: Setting, _: Limits) -> list[Figure]:
    """Measure the optimiser steps per second in a short epoch with its stored state, at batches of 4 clips of 3 s."""
    gpt_config, config, discriminator_config = sizes(setting.size)
    gpt_clips, sovits_clips = _random_clips(setting)
    common = {
        "n_epochs": 2,
        "batch_size": BATCH_SIZE,
        "learning_rate": 1e-4,
        "gradient_clip_norm": 1.0,
        "save_every_epochs": 2,
        "seed": 0,
        "n_threads": setting.n_threads,
        "device": setting.device,
        "state_every_steps": 1000,
        "precision": "bf16" if setting.dtype == torch.bfloat16 else "fp32",
    }
    gpt_options = AdaptGPTOptions(**common, warmup_steps=0)
    sovits_options = AdaptSoVITSOptions(**common, segment_frames=32, mel_weight=45.0, kl_weight=1.0)
    gpt_state = random_gpt(setting).cpu().state_dict()
    sovits_state = random_sovits(setting).cpu().state_dict()
    discriminators = discriminator_config, Discriminator(discriminator_config).state_dict()
    adaptations = {
        "GPT": partial(adapt_gpt, gpt_config, gpt_state, gpt_clips, [], gpt_options),
        "SoVITS": partial(adapt_sovits, config, sovits_state, *discriminators, sovits_clips, [], sovits_options),
    }
    n_steps = len(gpt_clips) // BATCH_SIZE
    return [
        setting.figure("training", f"adapting the {name}", "steps/s", [n_steps / _second_epoch_seconds(adapt)])
        for name, adapt in adaptations.items()
    ]


def _random_clips(setting: Setting) -> tuple[list[GPTClip], list[SoVITSClip]]:
    gpt_config, config, _ = sizes(setting.size)
    n_clips, n_frames = BATCH_SIZE * (1 if setting.n_repeats == 1 else 3), 150
    g = torch.Generator().manual_seed(0)
    gpt_clips = [
        GPTClip(
            f"clip {i}",
            torch.randint(gpt_config.phoneme_vocab_size, (36,), generator=g),
            torch.randint(gpt_config.eos_token, (n_frames // 2,), generator=g),
        )
        for i in range(n_clips)
    ]
    sovits_clips = [
        SoVITSClip(
            clip.clip_id,
            clip.phoneme_ids,
            torch.randn(config.ssl_dim, n_frames, generator=g),
            torch.rand(n_frames * config.hop_length, generator=g) * 0.2 - 0.1,
            torch.rand(config.spectrogram_bins, n_frames, generator=g),
            torch.randn(config.speaker_dim, generator=g) if config.speaker_dim else None,
        )
        for clip in gpt_clips
    ]
    return gpt_clips, sovits_clips


def _second_epoch_seconds(adapt: Callable[..., object]) -> float:
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        adapt(Path(folder), lambda *_: ends.append(time.perf_counter()))
    return ends[1] - ends[0]


MEASURES = {"gpt": gpt_figures, "sovits": sovits_figures, "stream": stream_figures, "training": training_figures}


def run(setting: Setting, parts: Sequence[str]) -> dict[str, object]:
    """Measure parts and return the figures with the machine, its limits and the setting."""
    torch.set_num_threads(setting.n_threads)
    limits = measure_limits(setting.device, setting.dtype)
    figures = [figure for part in parts for figure in MEASURES[part](setting, limits)]
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = torch.cuda.max_memory_allocated() / 1e9 if setting.device == "cuda" else kilobytes / 1e6
    figures.append(Figure("peak memory of this run", "GB", peak, peak, peak, None, setting.command(" ".join(parts))))
    return {
        "machine": _machine(setting),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "setting": asdict(setting),
        "limits": {
            "GB/s": limits.bytes_per_second / 1e9,
            f"GFLOP/s in {setting.dtype}".replace("torch.", ""): limits.operations_per_second / 1e9,
        },
        "figures": [asdict(figure) for figure in figures],
    }


def _machine(setting: Setting) -> str:
    if setting.device == "cuda":
        return torch.cuda.get_device_name()
    names = [
        line.partition(":")[2].strip()
        for line in (Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else [])
        if line.startswith("model name")
    ]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {capability}"


def main() -> None:
    """Print the figures of the setting on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Measure the speed of the models.")
    parser.add_argument("--size", choices=SIZES, default="v2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure (default: all)")
    parser.add_argument("--quick", action="store_true", help="measure once, on two seconds of speech")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="append a table with the command of each figure")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device; leave --device out")
    n_repeats, seconds = (1, 2.0) if arguments.quick else (5, 6.0)
    setting = Setting(arguments.size, arguments.device, arguments.precision, arguments.threads, n_repeats, seconds)
    result = run(setting, arguments.only)
    if arguments.markdown:
        with arguments.markdown.open("a", encoding="utf-8") as file:
            file.write("\n" + as_markdown(result))
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(as_table(result))


if __name__ == "__main__":
    main()
