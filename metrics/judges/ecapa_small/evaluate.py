"""Measures a speaker judge on speakers that the small ECAPA never heard.

    python -m metrics.judges.ecapa_small.evaluate --shared DIR [--judge NAME] [--out FILE]

The sets are the six speakers of librispeech_speakers/test (whole clips, short crops, and damaged clips against clean
ones), the LJSpeech reader against them, flite's synthetic voices (where flite is installed), and the held-out training
speakers (crops of one clip each, so of one session).
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from metrics.judges.ecapa_small.config import HERE, load_config
from metrics.judges.ecapa_small.damage import DAMAGES
from metrics.judges.ecapa_small.data import TEST_FOLDER, read_mono, train_files
from metrics.judges.ecapa_small.files import write_atomic
from metrics.judges.ecapa_small.trials import (
    Trials,
    all_pairs,
    centroid_trials,
    cross_pairs,
    crossed_pairs,
    equal_error_rate,
    percentiles,
)
from metrics.judges.speaker import SPEAKER_JUDGES, SmallEcapa, SpeakerJudge, load_speaker_judge
from metrics.judges.speaker_input import SAMPLE_RATE

HELD_OUT_CROP_SECONDS = 3.0
SHORT_SECONDS = (1.0, 2.0, 3.0)
LONGER_SECONDS = 2.5
LJSPEECH_FOLDER = Path("data/ljspeech/wavs")
FLITE_VOICES = ("slt", "rms", "awb", "kal16")
FLITE_SENTENCES = (
    "The morning train was late again, and nobody seemed to mind.",
    "Please leave the parcel with my neighbour if I am out.",
    "A cold wind came down from the hills before sunset.",
    "She keeps her recipes in a green wooden box.",
    "We could hear the sea long before we saw it.",
    "There is a small shop at the corner that sells old maps.",
    "He promised to call as soon as the doctor had left.",
    "Nothing grows in this garden but nettles and mint.",
    "Turn left after the bridge, then follow the river.",
    "The children built a tower out of empty boxes.",
)


def embed_files(judge: SpeakerJudge, files: list[Path]) -> np.ndarray:
    """Return the (n_files, D) embeddings of files."""
    return embed_waveforms(judge, [read_mono(path, SAMPLE_RATE) for path in files])


def embed_waveforms(judge: SpeakerJudge, waveforms: list[np.ndarray]) -> np.ndarray:
    """Return the (n, D) embeddings of waveforms (n_samples,) at SAMPLE_RATE."""
    return np.stack([judge.embed(waveform, SAMPLE_RATE) for waveform in waveforms])


def middle(waveform: np.ndarray, seconds: float) -> np.ndarray:
    """Return the middle of a clip, or all of it where it is shorter."""
    n_samples = int(seconds * SAMPLE_RATE)
    start = max(0, (len(waveform) - n_samples) // 2)
    return waveform[start : start + n_samples]


def embed_held_out(judge: SpeakerJudge, files: list[Path]) -> tuple[np.ndarray, list[str]]:
    """Return the embeddings of disjoint crops of each file, and the speaker of each crop."""
    n_samples = int(HELD_OUT_CROP_SECONDS * SAMPLE_RATE)
    embeddings, names = [], []
    for path in files:
        waveform = read_mono(path, SAMPLE_RATE)
        for start in range(0, len(waveform) - n_samples + 1, n_samples):
            embeddings.append(judge.embed(waveform[start : start + n_samples], SAMPLE_RATE))
            names.append(path.stem.split("-")[0])
    return np.stack(embeddings), names


def embed_flite(judge: SpeakerJudge, flite: str) -> tuple[np.ndarray, list[str]]:
    """Return the embeddings of every sentence said by every flite voice, and the voice of each."""
    embeddings, names = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        for voice in FLITE_VOICES:
            for sentence in FLITE_SENTENCES:
                subprocess.run([flite, "-voice", voice, "-t", sentence, "-o", str(path)], check=True)
                embeddings.append(judge.embed(read_mono(path, SAMPLE_RATE), SAMPLE_RATE))
                names.append(voice)
    return np.stack(embeddings), names


def figures(trials: Trials) -> dict:
    """Return what is published about one set of trials."""
    rate, threshold = equal_error_rate(trials)
    return {
        "eer": round(rate, 4),
        "eer_cosine": round(threshold, 4),
        "n_same": len(trials.same),
        "n_different": len(trials.different),
        "same": percentiles(trials.same),
        "different": percentiles(trials.different),
    }


def evaluate_reader(judge: SpeakerJudge, shared: Path) -> dict[str, dict]:
    """Return the figures of the LJSpeech reader against librispeech_speakers/test. Empty without her clips.

    Two of her clips are shorter than LONGER_SECONDS and have the most influence on the error rate, so the others are
    shown alone.
    """
    if not (files := sorted((shared / LJSPEECH_FOLDER).glob("*.wav"))):
        return {}
    reader = [read_mono(path, SAMPLE_RATE) for path in files]
    others = [read_mono(path, SAMPLE_RATE) for path in sorted((shared / TEST_FOLDER).glob("*/*.flac"))]
    first, second = embed_waveforms(judge, reader), embed_waveforms(judge, others)
    is_long, other_is_long = (
        np.array([len(waveform) >= LONGER_SECONDS * SAMPLE_RATE for waveform in waveforms])
        for waveforms in (reader, others)
    )
    name = "ljspeech reader against librispeech_test"
    sets = {
        name: figures(cross_pairs(first, second)),
        f"{name}, clips of {LONGER_SECONDS:g} s and more": figures(cross_pairs(first[is_long], second[other_is_long])),
    }
    for seconds in SHORT_SECONDS:
        crops = [
            embed_waveforms(judge, [middle(waveform, seconds) for waveform in waveforms])
            for waveforms in (reader, others)
        ]
        sets[f"{name}, {seconds:g} s of each clip"] = figures(cross_pairs(*crops))
    return sets


def evaluate_test_speakers(judge: SpeakerJudge, shared: Path) -> dict[str, dict]:
    """Return the figures on librispeech_speakers/test by the name of the set.

    Raises:
        FileNotFoundError: the folder has no clips.
    """
    files = sorted((shared / TEST_FOLDER).glob("*/*.flac"))
    if not files:
        raise FileNotFoundError(
            f"{shared / TEST_FOLDER} holds no SPEAKER/*.flac; name the folder above data/ with --shared"
        )
    waveforms, names = [read_mono(path, SAMPLE_RATE) for path in files], [path.parent.name for path in files]
    clean = embed_waveforms(judge, waveforms)
    sets = {
        "librispeech_test": figures(all_pairs(clean, names)),
        "librispeech_test, clip against centroid of the speaker's other clips": figures(centroid_trials(clean, names)),
    }
    for seconds in SHORT_SECONDS:
        crops = embed_waveforms(judge, [middle(waveform, seconds) for waveform in waveforms])
        sets[f"librispeech_test, {seconds:g} s of each clip"] = figures(all_pairs(crops, names))
    for name, damage in DAMAGES.items():
        damaged = embed_waveforms(judge, [damage(waveform, seed) for seed, waveform in enumerate(waveforms)])
        sets[f"librispeech_test, {name}, against clean clips"] = figures(crossed_pairs(damaged, clean, names))
    return sets


def evaluate(judge: SpeakerJudge, shared: Path, held_out: list[Path]) -> dict[str, dict]:
    """Return the figures of every set that is present, by the name of the set."""
    sets = evaluate_test_speakers(judge, shared)
    sets["held-out training speakers, 3 s crops of one session"] = figures(all_pairs(*embed_held_out(judge, held_out)))
    sets |= evaluate_reader(judge, shared)
    if flite := shutil.which("flite"):
        sets["flite voices (synthetic)"] = figures(all_pairs(*embed_flite(judge, flite)))
    return sets


def main(arguments: list[str] | None = None) -> None:
    """Measure the judge as the command line says. Write and print the figures."""
    parser = argparse.ArgumentParser(description="Measure a speaker judge on unseen speakers.")
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds data/librispeech_speakers")
    parser.add_argument("--judge", choices=tuple(SPEAKER_JUDGES), default=SmallEcapa.name, help="which speaker judge")
    parser.add_argument("--weights", type=Path, help="folder of another small ECAPA, or of ecapa_voxceleb's weights")
    parser.add_argument("--out", type=Path, help="file for the figures; not written by default")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums depend on the number of threads
    own = options.judge == SmallEcapa.name
    judge = SmallEcapa(options.weights) if own else load_speaker_judge(options.judge, options.weights)
    held_out = train_files(options.shared)[:: load_config(HERE).training.validation_every_nth_speaker]
    sets = evaluate(judge, options.shared, held_out)
    if options.out:
        text = json.dumps({"judge": judge.name, "version": judge.version, "sets": sets}, indent=2)
        write_atomic(text + "\n", options.out)
    for name, values in sets.items():
        print(
            f"{name}: EER {values['eer']:.2%} at cosine {values['eer_cosine']:.3f} of {values['n_same']} same and "
            f"{values['n_different']} different pairs; medians {values['same']['p50']:.3f} and "
            f"{values['different']['p50']:.3f}"
        )


if __name__ == "__main__":
    main()
