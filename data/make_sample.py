"""Make the sample voice: flite's `rms` reads data/sample_sentences.txt into data/1_recordings/sample/.

    python data/make_sample.py

It is needed only to make the recordings again. Using them does not need flite. The same versions of flite and
libsndfile give the same bytes (here flite 2.2 and libsndfile 1.2.2). voice.yaml is written by hand and stays unchanged.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import soundfile

DATA = Path(__file__).resolve().parent
SENTENCES = DATA / "sample_sentences.txt"
SAMPLE = DATA / "1_recordings" / "sample"
FLITE_VOICE = "rms"


def read_sentences(path: Path = SENTENCES) -> list[tuple[str, str]]:
    """Return (written, spoken) of every line. Both are equal on lines without a vertical bar."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition("|") for line in lines if line and not line.startswith("#")]
    return [(written, spoken or written) for written, _, spoken in pairs]


def speak(flite: str, text: str) -> tuple[object, int]:
    """Speak a text and return the waveform, (n_samples,) int16, and its sample rate, which is 16 kHz."""
    command = [flite, "-voice", FLITE_VOICE, "-t", text, "-o", "/dev/stdout"]
    wav = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return soundfile.read(io.BytesIO(wav), dtype="int16")


def main() -> int:
    """Write the recordings and their metadata.csv, and return the exit code."""
    flite = shutil.which("flite")
    if flite is None:
        print("flite is not on PATH; install it (Debian and Ubuntu: package `flite`) and run again", file=sys.stderr)
        return 1
    wavs = SAMPLE / "wavs"
    wavs.mkdir(parents=True, exist_ok=True)
    rows, seconds = [], 0.0
    for number, (written, spoken) in enumerate(read_sentences(), start=1):
        name = f"sample_{number:03d}"
        waveform, sample_rate = speak(flite, spoken)
        soundfile.write(wavs / f"{name}.flac", waveform, sample_rate, subtype="PCM_16", compression_level=1.0)
        rows.append(f"{name}|{written}|{spoken}\n")
        seconds += len(waveform) / sample_rate
    (SAMPLE / "metadata.csv").write_text("".join(rows), encoding="utf-8")
    print(f"{len(rows)} utterances, {seconds:.1f} s, in {SAMPLE.relative_to(DATA.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
