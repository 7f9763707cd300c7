"""Check that the gate finds what a listener would hear and names the right cause, on recordings damaged on purpose.

    python -m benchmarks.gate_damage [--n 92] [--only noise ...]

The champion is the sample voice's own recordings. Each candidate is the same audio with one damage. Everything else is
the product: its judges, its scores, and the gate with the policy of params.yaml. The first reason is printed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np

from gpt_sovits.audio import load_audio, save_flac, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from gpt_sovits.text.frontend import phonemize
from metrics.forced_alignment import AlignedWord, force_align
from metrics.judges.speaker import load_speaker_judge
from metrics.prompts import content_sha256
from metrics.scores import Pair, Scorecard, UtteranceScore
from registry.gate.deciding import decide
from registry.gate.decision import Decision
from registry.gate.policy import GatePolicy, parse_policy
from stages.evaluation.scoring import (
    ScoringContext,
    Utterance,
    VoiceEmbeddings,
    judges_of,
    round_embedding,
    score_utterances,
    similarity_floor,
)
from stages.execution.parallel import worker_processes
from stages.params import load_params
from stages.profiles import PROFILES

RECORDINGS = Path("data/1_recordings/sample")
SECONDS_PER_PHONEME = 0.075  # of this voice, from its features
SEEDS = (0, 1, 2)  # a recording has no seed: every seed of a prompt counts the same audio
FADE_SECONDS = 0.005  # at every cut: a click is another damage


@dataclass(frozen=True)
class Clip:
    """A recording with its text and the time of every word."""

    name: str
    text: str
    waveform: np.ndarray  # (n,) float32
    sample_rate: int
    words: tuple[AlignedWord, ...]


def swallow_words(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Cut out a tenth of the words: one per ten words, and never the first or the last of a clip."""
    n = rng.binomial(1, len(clip.words) / 10 % 1) + len(clip.words) // 10
    kept, places = clip.waveform, rng.permutation(range(1, len(clip.words) - 1))[: int(n)]
    for place in sorted(places, reverse=True):
        begin, end = (round(time * clip.sample_rate) for time in (clip.words[place].start, clip.words[place].end))
        kept = _join(kept[:begin], kept[end:], clip.sample_rate)
    return kept


def as_another_speaker(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Raise pitch and formants by a third of an octave at the same pace, as a shorter vocal tract would."""
    factor = 2 ** (4 / 12)
    slower = librosa.effects.time_stretch(clip.waveform, rate=1 / factor)
    return librosa.resample(slower, orig_sr=clip.sample_rate * factor, target_sr=clip.sample_rate).astype(np.float32)


def add_noise(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Add white noise 6 dB below the speech."""
    level = np.sqrt(np.mean(clip.waveform**2)) * 10 ** (-6 / 20)
    return (clip.waveform + level * rng.standard_normal(len(clip.waveform))).astype(np.float32)


def silence_some(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Replace the clip by silence. `damage` does so with every twentieth one."""
    return np.zeros_like(clip.waveform)


def truncate(clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Drop the last fifth."""
    return _fade_out(clip.waveform[: round(0.8 * len(clip.waveform))], clip.sample_rate)


class Damage(NamedTuple):
    """A damage, and how the gate must explain it."""

    apply: Callable[[Clip, np.random.Generator], np.ndarray]
    share: float  # of the clips
    causes: frozenset[str]  # codes and failures of speech: the first reason must name one of them


DAMAGES = {
    "swallowed": Damage(swallow_words, 1.0, frozenset({"swallowed_words", "swallowed_clause"})),
    "speaker": Damage(as_another_speaker, 1.0, frozenset({"another_speaker", "similarity_lost"})),
    "noise": Damage(add_noise, 1.0, frozenset({"noise"})),
    "silent": Damage(silence_some, 0.05, frozenset({"silent_prompts", "empty"})),
    "truncated": Damage(truncate, 1.0, frozenset({"cut_off", "words_cut_off"})),
}


def read_clips(n: int) -> list[Clip]:
    """Return the first n recordings of the sample voice, with the time of every word."""
    clips = []
    for line in (RECORDINGS / "metadata.csv").read_text(encoding="utf-8").splitlines()[:n]:
        name, _, text = line.split("|")  # with numbers as words
        (path,) = RECORDINGS.rglob(f"{name}.flac")
        samples, sample_rate = load_audio(path)
        waveform = to_mono(samples)
        words = [word.strip(".,;:?!\"'") for word in text.split()]
        clips.append(
            Clip(name, text, waveform, sample_rate, tuple(force_align(waveform, sample_rate, words, pronounce)))
        )
    return clips


def damage(clips: Sequence[Clip], name: str, seed: int = 0) -> list[Clip]:
    """Return the clips after one damage. Equal seeds give equal damage.

    Args:
        clips: All of them. Those that the damage does not affect are returned as they are.
        name: Key of DAMAGES.
        seed: Of the random numbers.
    """
    kind = DAMAGES[name]
    rng = np.random.default_rng(seed)
    damaged = set(rng.permutation(len(clips))[: max(1, round(kind.share * len(clips)))].tolist())
    return [replace(clip, waveform=kind.apply(clip, rng)) if i in damaged else clip for i, clip in enumerate(clips)]


def score(clips: Sequence[Clip], n_jobs: int = 2) -> Scorecard:
    """Score the clips with the judges of the starter profile, each as one prompt."""
    profile = PROFILES["starter"]
    with tempfile.TemporaryDirectory() as folder, worker_processes(n_jobs) as workers:
        utterances = []
        for clip in clips:
            path = Path(folder) / f"{clip.name}.flac"
            save_flac(path, np.clip(clip.waveform, -1, 1), clip.sample_rate)
            expected = len(phonemize(clip.text, "en").ids) * SECONDS_PER_PHONEME
            utterances.append(Utterance(clip.name, "everyday", 0, clip.text, path, f"audio/{path.name}", expected))
        known = VoiceEmbeddings(_centroid(profile.speaker), {})
        rows = score_utterances(utterances, ScoringContext(known, profile, "en"), workers)
    judges = judges_of(profile, "en")
    return Scorecard(
        voice="sample",
        language="en",
        pair=Pair(gpt_epoch=1, sovits_epoch=1, gpt_sha256="0" * 64, sovits_sha256="0" * 64),
        judges=judges,
        prompts_sha256=content_sha256("en", (0,), []),
        seeds=SEEDS,
        rows=tuple(row.model_copy(update={"seed": seed}) for row in rows for seed in SEEDS),
        held_out=tuple(_as_recording(row) for row in rows[:12]),
        similarity_floor=similarity_floor(known, judges),
        voice_embedding=round_embedding(known.centroid),
    )


@cache
def _centroid(judge: str) -> np.ndarray:
    """Return the mean direction of twelve recordings in the space of a speaker judge."""
    speaker = load_speaker_judge(judge)
    mean = np.mean([speaker.embed(clip.waveform, clip.sample_rate) for clip in read_clips(12)], axis=0)
    return mean / np.linalg.norm(mean)


def policy_for(n: int) -> GatePolicy:
    """Return the policy of params.yaml for n prompts, without slices, for which there are too few."""
    return parse_policy(load_params().gate | {"min_prompts": n, "slices": []})


def decide_on(candidate: Scorecard, champion: Scorecard) -> Decision:
    """Return the gate's decision on damaged clips against the clean ones. Both count the clean ones as recordings."""
    candidate = candidate.model_copy(update={"held_out": champion.held_out})
    return decide(candidate, champion, policy=policy_for(len(candidate.rows) // len(SEEDS)))


def first_causes(decision: Decision) -> set[str]:
    """Return the causes that the first reason names: failures of speech, and the codes of other causes."""
    return {cause.failure or str(cause.code) for cause in decision.reasons[0].causes}


def _as_recording(row: UtteranceScore) -> UtteranceScore:
    return row.model_copy(update={"category": "held_out", "audio": ""})


def _join(before: np.ndarray, after: np.ndarray, sample_rate: int) -> np.ndarray:
    return np.concatenate((_fade_out(before, sample_rate), _fade_out(after[::-1], sample_rate)[::-1]))


def _fade_out(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    n = min(len(waveform), round(FADE_SECONDS * sample_rate))
    faded = waveform.copy()
    if n:
        faded[-n:] *= np.linspace(1, 0, n, dtype=np.float32)
    return faded


def main() -> None:
    """Print a Markdown table with the decision on each damage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_damage", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=92, help="number of recordings")
    parser.add_argument("--only", nargs="+", choices=["identical", *DAMAGES], default=["identical", *DAMAGES])
    arguments = parser.parse_args()
    clips = read_clips(arguments.n)
    champion = score(clips)
    print("| candidate | verdict | first reason | WER | similarity | failed |\n|---|---|---|---|---|---|")
    for name in arguments.only:
        candidate = champion if name == "identical" else score(damage(clips, name))
        decision = decide_on(candidate, champion)
        figures = (f"{decision.figures[key]:.3f}" for key in ("wer", "similarity", "failed_share"))
        print(f"| {name} | {decision.outcome} | {decision.reasons[0].text} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
