"""Where the gate tells two speakers apart: cosines between centroids of speaker embeddings, from real recordings.

    python -m benchmarks.same_speaker --shared DIR [--judge ecapa_small]

The gate compares the centroid of the candidate's recordings with the champion's (registry/gate/speakers.py). This
prints what such cosines are for one speaker (two halves of the clips, many ways to divide them, also with one half
damaged) and for two speakers (seven speakers of several clips, and each against the judge's table of other speakers).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from metrics.judges.ecapa_small.damage import DAMAGES
from metrics.judges.ecapa_small.data import TEST_FOLDER, read_mono
from metrics.judges.ecapa_small.evaluate import LJSPEECH_FOLDER, embed_waveforms
from metrics.judges.other_speakers.table import load_other_speakers
from metrics.judges.speaker import SPEAKER_JUDGES, load_speaker_judge
from metrics.judges.speaker_input import SAMPLE_RATE

N_DIVISIONS = 50  # ways to divide one speaker's clips into two halves


def read_speakers(shared: Path) -> dict[str, list[np.ndarray]]:
    """Return the clips of each speaker, (n,) float32 at SAMPLE_RATE."""
    folders = {folder.name: folder for folder in sorted((shared / TEST_FOLDER).iterdir())}
    folders["LJSpeech"] = shared / LJSPEECH_FOLDER
    return {
        name: [read_mono(path, SAMPLE_RATE) for path in sorted(folder.iterdir()) if path.suffix in (".wav", ".flac")]
        for name, folder in folders.items()
    }


def centroid(embeddings: np.ndarray) -> np.ndarray:
    """Return the (D,) unit-norm mean of (n, D) embeddings."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    return mean / np.linalg.norm(mean)


def halves(first: np.ndarray, second: np.ndarray) -> list[float]:
    """Return the cosines between the centroid of one half of `first` and that of the other half of `second`.

    Args:
        first: (n, D) embeddings of one speaker's clips.
        second: (n, D) of the same clips, perhaps damaged.
    """
    rng, n = np.random.default_rng(0), len(first)
    orders = [rng.permutation(n) for _ in range(N_DIVISIONS)]
    return [float(centroid(first[order[: n // 2]]) @ centroid(second[order[n // 2 :]])) for order in orders]


def different(clean: Mapping[str, np.ndarray], judge: str, judge_version: str) -> list[float]:
    """Return the cosines between centroids of two speakers."""
    centroids = [centroid(embeddings) for embeddings in clean.values()]
    others = load_other_speakers(judge, judge_version)
    known = np.array([name not in clean for name in others.speakers])  # not a speaker against themselves
    pairs = [float(one @ other) for one, other in combinations(centroids, 2)]
    return [*pairs, *(float(value) for one in centroids for value in others.cosines(one)[known])]


def describe(name: str, cosines: list[float]) -> str:
    """Return one line: how many, the extremes and three percentiles."""
    low, middle, high = np.percentile(cosines, (5, 50, 95))
    return (
        f"{name}: n {len(cosines)}, least {min(cosines):.3f}, 5 % {low:.3f}, median {middle:.3f}, 95 % {high:.3f}, "
        f"greatest {max(cosines):.3f}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the distributions."""
    parser = argparse.ArgumentParser(description="Measure where the gate tells two speakers apart.")
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds data/librispeech_speakers")
    parser.add_argument("--judge", choices=tuple(SPEAKER_JUDGES), default="ecapa_small")
    options = parser.parse_args(arguments)
    judge, speakers = load_speaker_judge(options.judge), read_speakers(options.shared)
    clean = {name: embed_waveforms(judge, clips) for name, clips in speakers.items()}
    print(f"{judge.name} {judge.version}: {', '.join(f'{name} {len(clips)}' for name, clips in speakers.items())}")
    print(describe("two speakers", different(clean, judge.name, judge.version)))
    print(describe("one speaker", [value for one in clean.values() for value in halves(one, one)]))
    for name, apply in DAMAGES.items():
        damaged = {
            speaker: embed_waveforms(judge, [apply(clip, seed) for seed, clip in enumerate(clips)])
            for speaker, clips in speakers.items()
        }
        cosines = [value for speaker, one in clean.items() for value in halves(one, damaged[speaker])]
        print(describe(f"one speaker, one half with {name}", cosines))


if __name__ == "__main__":
    main()
