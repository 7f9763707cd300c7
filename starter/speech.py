"""Stage speech: recordings of people at 16 kHz, with their texts and the phones that pocketsphinx finds.

    python -m starter.speech

The LibriSpeech clips come without text: Whisper tiny.en writes down what it hears, and pocketsphinx aligns the words.
From these phones the first head of stage content_encoder learns what people sound like.
The LJSpeech clips have their own texts and are for evaluation only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.english.phonemes import pronounce
from metrics.judges.asr import load_transcriber
from metrics.judges.transcriber import Transcriber
from metrics.pocketsphinx_decoder import SAMPLE_RATE, new_decoder
from starter.phones import from_sphinx
from starter.settings import shared_folder, stage_folder
from starter.store import Utterance, resample_16k, write_corpus
from starter.voices import HELD_OUT_PERSON, LJ, OTHER_PEOPLE, PEOPLE

N_PROCESSES = 2
N_CLIPS_OF_OTHERS = 3  # of each person that no stage trains on
TRANSCRIBER = "faster-whisper-tiny.en"
WORD = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*")

Job = tuple[str, str, str]  # path, voice, text or nothing


def load_16k(path: Path) -> np.ndarray:
    """Return (n_samples,) int16 at 16 kHz, all channels mixed."""
    waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return resample_16k(waveform.mean(axis=1), rate)


def transcribe(waveform: np.ndarray) -> str:
    """Return what Whisper tiny.en hears in (n_samples,) int16 at 16 kHz. Empty where it hears no words."""
    text = _transcriber().transcribe(waveform.astype(np.float32) / 32768, SAMPLE_RATE, "en")
    return " ".join(text.split())


@cache
def _transcriber() -> Transcriber:
    return load_transcriber(TRANSCRIBER)


def dictionary_words(text: str) -> list[str]:
    """Return the words of an English text as pocketsphinx's dictionary spells them: lower case, numbers in words."""
    return [word.lower() for word in WORD.findall(spoken_form(text))]


def align_phones(waveform: np.ndarray, words: Sequence[str]) -> list[tuple[str, float]]:
    """Return the phones of these words with their ends in seconds, or nothing where they do not fit the sound.

    pocketsphinx aligns words first and then phones. The front end pronounces the words that its dictionary does not
    have, because a hole would shift every label behind it.

    Args:
        waveform: (n_samples,) int16 at 16 kHz.
        words: What is said, as `dictionary_words` returns it.
    """
    decoder = new_decoder(with_language_model=False)
    for word in dict.fromkeys(words):
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, " ".join(sound.rstrip("012") for sound in pronounce(word)), update=True)
    if not words:
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


def load_clip(job: Job) -> Utterance:
    """Load a clip with its text and its phones. A job without a text gets what Whisper hears."""
    path, voice, text = job
    waveform = load_16k(Path(path))
    text = text or transcribe(waveform)
    return Utterance(Path(path).stem, voice, text, waveform, align_phones(waveform, dictionary_words(text)))


def people_jobs(folder: Path, *, per_person: int | None = None) -> list[Job]:
    """Return the clips below a folder, without HELD_OUT_PERSON. The name of a file begins with its speaker.

    Args:
        folder: A folder of LibriSpeech clips, or of one folder of clips per person.
        per_person: Take that many clips of each person, or all of them.
    """
    clips: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.flac")):
        clips.setdefault(path.stem.split("-")[0], []).append(path)
    clips.pop(HELD_OUT_PERSON, None)
    return [(str(path), person, "") for person, paths in clips.items() for path in paths[:per_person]]


def reader_jobs(folder: Path) -> list[Job]:
    """Return the clips of a folder in the layout of LJSpeech, with their normalised texts."""
    lines = (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()
    texts = {row[0]: row[-1] for row in (line.split("|") for line in lines)}
    wavs = {path.stem: path for path in folder.rglob("*") if path.suffix in {".wav", ".flac"}}
    return [(str(wavs[name]), LJ, text) for name, text in texts.items()]


def main() -> None:
    """Write the corpora of people: those to train on, other people, and one reader."""
    data = shared_folder() / "data"
    people = data / "librispeech_speakers"
    corpora = {
        LJ: reader_jobs(data / "ljspeech"),
        OTHER_PEOPLE: people_jobs(people / "test", per_person=N_CLIPS_OF_OTHERS),
        PEOPLE: people_jobs(people / "train"),
    }
    with ProcessPoolExecutor(N_PROCESSES, get_context("spawn")) as pool:
        for name, jobs in corpora.items():
            utterances = list(pool.map(load_clip, jobs))
            n_aligned = sum(bool(one.phones) for one in utterances)
            n_silent = sum(not one.text for one in utterances)
            print(f"{name}: pocketsphinx aligned {n_aligned} of {len(jobs)} clips, {n_silent} have no words")
            write_corpus(stage_folder("corpus") / name, utterances)


if __name__ == "__main__":
    main()
