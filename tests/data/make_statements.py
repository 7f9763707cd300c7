"""Make the recordings in tests/data/statements/, in which flite says what a speaker says to agree.

    python tests/data/make_statements.py

It is needed only to make the recordings again. `rms` is the voice of the sample recordings, `slt` is another one.
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import soundfile

STATEMENTS = Path(__file__).resolve().parent / "statements"
AGREEMENT = "I agree that my voice is copied by a computer."
SPOKEN = {
    "agrees": ("rms", f"My name is Anna Miller. {AGREEMENT}"),
    "other_speaker": ("slt", f"My name is Anna Miller. {AGREEMENT}"),
    "other_name": ("rms", f"My name is Robert Jones. {AGREEMENT}"),
    "refuses": ("rms", f"My name is Anna Miller. {AGREEMENT.replace('agree', 'do not agree')}"),
}


def main() -> None:
    """Write the recordings."""
    STATEMENTS.mkdir(exist_ok=True)
    for name, (voice, text) in SPOKEN.items():
        command = ["flite", "-voice", voice, "-t", text, "-o", "/dev/stdout"]
        wav = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        waveform, sample_rate = soundfile.read(io.BytesIO(wav), dtype="int16")
        soundfile.write(STATEMENTS / f"{name}.ogg", waveform, sample_rate, subtype="OPUS", compression_level=0.92)


if __name__ == "__main__":
    main()
