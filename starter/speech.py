"""Stage speech: real voices at 16 kHz, with the phones that a recogniser finds in them.

    python -m starter.speech

The LibriSpeech clips come without text: pocketsphinx transcribes them and aligns its own words, right or wrong. The
LJSpeech clips have their text and are for evaluation only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from metrics.judges.sphinx import SAMPLE_RATE, new_decoder
from starter.phones import from_sphinx
from starter.settings import load_settings, shared_folder, stage_folder
from starter.store import Utterance, read_corpus, write_corpus

N_PROCESSES = 2
REAL, RECOGNISED, LJ = "librispeech", "librispeech_heard", "lj"  # the corpora that this stage writes


def load_16k(path: Path) -> np.ndarray:
    """Return (n_samples,) int16 at 16 kHz, all channels mixed."""
    waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    waveform = waveform.mean(axis=1)
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE)
    return np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)


def recognise(waveform: np.ndarray) -> list[str]:
    """Return the words that pocketsphinx recognises."""
    decoder = new_decoder(with_language_model=True)
    decoder.start_utt()
    decoder.process_raw(waveform.tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr.split() if found else []


def align_phones(waveform: np.ndarray, words: Sequence[str]) -> list[tuple[str, float]]:
    """Return the phones of these words with their ends in seconds, or nothing where they cannot be aligned.

    pocketsphinx aligns words first and then phones. An utterance with a word that its dictionary does not have is left
    out, because a hole would shift every label behind it.
    """
    decoder = new_decoder(with_language_model=False)
    if not words or any(decoder.lookup_word(word) is None for word in words):
        return []
    decoder.set_align_text(" ".join(words))
    try:
        for is_first in (True, False):
            decoder.start_utt()
            decoder.process_raw(waveform.tobytes(), full_utt=True)
            decoder.end_utt()
            if is_first:
                decoder.set_alignment()
    except RuntimeError:  # pocketsphinx: no path through the words fits the sound
        return []
    alignment = decoder.get_alignment()
    if alignment is None:
        return []
    return [(from_sphinx(p.name), (p.start + p.duration) / 100) for word in alignment for p in word]


def load_clip(path: Path) -> Utterance:
    """Load a LibriSpeech clip without labels. Its name holds the speaker."""
    return Utterance(path.stem, path.stem.split("-")[0], "", load_16k(path), [])


def load_recognised_clip(path: Path) -> Utterance:
    """Load a LibriSpeech clip with the phones of the words that pocketsphinx recognises in it."""
    clip = load_clip(path)
    words = [word.partition("(")[0] for word in recognise(clip.waveform)]  # `the(2)` is a pronunciation of `the`
    return replace(clip, phones=align_phones(clip.waveform, words))


def _load_transcribed_clip(job: tuple[str, str]) -> Utterance:
    path, text = job
    waveform = load_16k(Path(path))
    words = re.sub(r"[^a-z' ]", " ", text.lower()).split()
    return Utterance(Path(path).stem, LJ, text, waveform, align_phones(waveform, words))


def main() -> None:
    """Write the corpora of real speech."""
    data = shared_folder() / "data"
    clips = sorted((data / "librispeech_speakers" / "train").glob("*.flac"))
    lines = (data / "ljspeech" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines]
    wavs = {path.stem: path for path in (data / "ljspeech").rglob("*") if path.suffix in {".wav", ".flac"}}
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        write_corpus(stage_folder("corpus") / REAL, pool.map(load_clip, clips))
        write_corpus(stage_folder("corpus") / RECOGNISED, pool.map(load_recognised_clip, clips))
        jobs = [(str(wavs[row[0]]), row[-1]) for row in rows]
        write_corpus(stage_folder("corpus") / LJ, pool.map(_load_transcribed_clip, jobs))


def base_voices() -> list[str]:
    """Return the names of the synthetic voices that are trained on."""
    corpus = load_settings().corpus
    return [name for name in corpus.voices if name != corpus.stranger]


def training_voices(*, labelled: bool = True) -> dict[str, list[Utterance]]:
    """Return the utterances that may be trained on, by voice: all but the common texts, which come last.

    With `labelled`, the real speech holds only what the recogniser could align.
    """
    corpus = load_settings().corpus
    voices = {name: read_corpus(stage_folder("corpus") / name)[: -corpus.n_common] for name in base_voices()}
    real = (
        list(_labelled(read_corpus(stage_folder("corpus") / RECOGNISED)))
        if labelled
        else read_corpus(stage_folder("corpus") / REAL)
    )
    return voices | {REAL: real}


def held_out_sets(n: int = 12) -> dict[str, list[Utterance]]:
    """Return utterances that no stage trains on, by set.

    The sets are the base voices on common texts, the stranger on the same texts, and a real reader.
    """
    corpus = load_settings().corpus
    base = [one for name in base_voices() for one in read_corpus(stage_folder("corpus") / name)[-n:]]
    stranger = read_corpus(stage_folder("corpus") / corpus.stranger)[-n:]
    return {"base": base, corpus.stranger: stranger, LJ: list(_labelled(read_corpus(stage_folder("corpus") / LJ)))[:n]}


def _labelled(utterances: Sequence[Utterance]) -> Iterator[Utterance]:
    return (one for one in utterances if one.phones)


if __name__ == "__main__":
    main()
