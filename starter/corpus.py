"""Stage corpus: flite's voices read sentences, with a phone label for every instant.

    python -m starter.corpus VOICE

flite prints where each of its phones ends, so the labels are free and exact. The texts are pieces of
public-domain sentences between two punctuation marks. Short pieces teach the models to stop.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile

from starter.phones import from_festival
from starter.settings import CorpusSettings, load_settings, shared_folder, stage_folder
from starter.store import Utterance, resample_16k, write_corpus

N_PROCESSES = 2
PIECE = re.compile(r"[^,.;:!?()\"\[\]]+[,.;:!?]?")


def read_text_pieces(path: Path, excluded: set[str], *, min_characters: int, max_characters: int) -> list[str]:
    """Return the distinct pieces of text of a file, in the order of a hash, so that any first n are a fair sample.

    Args:
        path: Lines of id, text and normalised text, separated by tabs.
        excluded: The ids whose text must not be used.
        min_characters: Shorter pieces are left out.
        max_characters: Longer pieces are left out.
    """
    found: dict[str, None] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, text = line.split("\t")
        if name in excluded:
            continue
        for match in PIECE.finditer(text):
            piece = match[0].strip().strip("-").strip()
            if min_characters <= len(piece) <= max_characters and piece.isascii():
                found[piece[0].upper() + piece[1:].rstrip(",;:")] = None
    return sorted(found, key=hash_text)


def hash_text(text: str) -> str:
    """Return the SHA-256 of the text in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def speak_flite(voice: str, text: str, stretch: float, pitch: float) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Speak a text with flite.

    Args:
        voice: The voice's name in flite.
        text: The text to speak.
        stretch: Factor of all durations.
        pitch: Mean of the melody in Hz, or 0 for the voice's own.

    Returns:
        The waveform, (n_samples,) int16 at 16 kHz, and the phones with their ends in seconds.
    """
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        command = ["flite", "-voice", voice, "-t", text, "-psdur", "-o", wav.name]
        command += ["--setf", f"duration_stretch={stretch:.3f}"]
        command += ["--setf", f"int_f0_target_mean={pitch:.1f}"] if pitch else []
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        waveform = _read_wav(Path(wav.name))
    return waveform, [(phone, float(end)) for phone, _, end in (word.partition(":") for word in printed.split())]


def _read_wav(path: Path) -> np.ndarray:
    waveform, rate = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    return resample_16k(waveform, rate)


def speak_texts(settings: CorpusSettings, voice: str, texts: list[str]) -> Iterator[Utterance]:
    """Yield the utterances of a voice in the order of the texts.

    Rate and pitch of an utterance follow from a hash of the voice and the text.

    Args:
        settings: The section `corpus` of params.yaml.
        voice: A key of `settings.voices`.
        texts: The texts to speak.
    """
    synthesizer = settings.voices[voice]
    draws = [np.random.default_rng(int(hash_text(f"{voice} {text}")[:8], 16)) for text in texts]
    stretches = [float(d.uniform(*settings.stretch)) for d in draws]
    pitches = [float(d.uniform(*synthesizer.pitch_hz)) for d in draws]
    with ThreadPoolExecutor(N_PROCESSES) as pool:
        spoken = pool.map(lambda job: speak_flite(synthesizer.voice, *job), zip(texts, stretches, pitches, strict=True))
        for i, (text, (waveform, phones)) in enumerate(zip(texts, spoken, strict=True)):
            yield Utterance(f"{voice}_{i:05d}", voice, text, waveform, [(from_festival(p), end) for p, end in phones])


def choose_texts(settings: CorpusSettings, voice: str, pieces: list[str]) -> list[str]:
    """Return the texts that a voice reads: a part of its own, so that more is said in all, then the common texts.

    Args:
        settings: The section `corpus` of params.yaml.
        voice: A key of `settings.voices`.
        pieces: All pieces of text.

    Raises:
        SystemExit: There are too few pieces for all voices.
    """
    names = list(settings.voices)
    first = sum(settings.voices[name].n_utterances for name in names[: names.index(voice)])
    n = settings.voices[voice].n_utterances
    texts = pieces[first : first + n - settings.n_common] + pieces[-settings.n_common :]
    if len(texts) != n:
        raise SystemExit(f"corpus: {len(pieces)} pieces of text are too few for all voices; lower corpus.n_utterances")
    return texts


def main() -> None:
    """Write the corpus of the voice on the command line."""
    parser = argparse.ArgumentParser(prog="python -m starter.corpus", description=__doc__.splitlines()[0])
    parser.add_argument("voice", help="a key of corpus.voices in starter/params.yaml")
    voice = parser.parse_args().voice
    settings = load_settings().corpus
    if shutil.which("flite") is None:
        raise SystemExit("flite is not on PATH; install it (see starter/README.md) and run again")
    texts_file = shared_folder() / "data" / "text" / "ljspeech_transcripts.tsv"
    metadata = shared_folder() / "data" / "ljspeech" / "metadata.csv"
    kept_out = {line.split("|")[0] for line in metadata.read_text(encoding="utf-8").splitlines()}
    least, most = settings.characters
    pieces = read_text_pieces(texts_file, kept_out, min_characters=least, max_characters=most)
    texts = choose_texts(settings, voice, pieces)
    write_corpus(stage_folder("corpus") / voice, speak_texts(settings, voice, texts))


if __name__ == "__main__":
    main()
