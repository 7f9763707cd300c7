"""Which damage to speech is found, and how often good speech is called damaged.

    python -m benchmarks.failures --n 10                      # print the tables
    python -m benchmarks.failures --n 10 --markdown benchmarks/FAILURES.md

Recordings with known words are damaged on purpose at word borders, which forced alignment finds. Then they are scored
as the stage evaluate does it: pocketsphinx hears them, and metrics/failures.py names the failures. The recordings are
those of the sample voice and, if ../shared or $VOXFOUNDRY_SHARED has them, those of a real reader (LJSpeech).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from metrics.audio import to_rate
from metrics.errors import AlignmentError
from metrics.failures import FAILURES, speech_failures, unmeasurable_failures
from metrics.forced_alignment import AlignedWord, force_align
from metrics.judges.asr import load_transcriber
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text
from metrics.sound import measure_sound
from stages.execution.parallel import call, worker_processes

ROOT = Path(__file__).resolve().parent.parent
ASR = "pocketsphinx"
LANGUAGE = "en"
UNDAMAGED = "none"
WORD = re.compile(r"[A-Za-z']+")
RATE = 16_000  # Hz at which everything is damaged and scored
MAX_SECONDS = 8.0  # of a recording to damage: pocketsphinx takes longer for noise than the noise lasts
N_LOOPS = 9
CLAUSE = 5  # words that are swallowed or repeated: the fewest that a listener calls a clause
MIN_WORDS = CLAUSE + 4  # two words before and two behind, by which the judge hears where the text goes on


@dataclass(frozen=True, eq=False)
class Speech:
    """A recording with its words."""

    text: str
    waveform: np.ndarray  # (n,) float32 at RATE
    words: tuple[AlignedWord, ...]
    pace: float  # of the speaker, in seconds per word
    other: Speech | None = None  # stands for the reference clip, whose text must not leak into the speech

    def between(self, start: float, end: float) -> np.ndarray:
        """Return the samples from `start` to `end` seconds."""
        return self.waveform[round(start * RATE) : round(end * RATE)]


Damage = Callable[[Speech, np.random.Generator], np.ndarray]


def _join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _clause(speech: Speech, generator: np.random.Generator) -> tuple[int, int]:
    """Return the first and last word of CLAUSE words with two words before and two behind them."""
    first = int(generator.integers(2, len(speech.words) - CLAUSE - 1))
    return first, first + CLAUSE - 1


def _cut_end(share: float) -> Damage:
    return lambda speech, _: speech.waveform[: round((1 - share) * len(speech.waveform))]


def _cut_last_words(n: int) -> Damage:
    return lambda speech, _: speech.between(0, speech.words[-n].start)


def _cut_in_last_word(speech: Speech, _: np.random.Generator) -> np.ndarray:
    last = speech.words[-1]
    return speech.between(0, (last.start + last.end) / 2)


def _swallow_clause(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    return _join(speech.between(0, speech.words[first].start), speech.waveform[round(speech.words[last].end * RATE) :])


def _repeat_clause(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    end = speech.words[last].end
    return _join(speech.between(0, end), speech.waveform[round(speech.words[first].start * RATE) :])


def _stutter(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    word = speech.words[_clause(speech, generator)[0]]
    return _join(
        speech.between(0, word.end), np.tile(speech.between(word.start, word.end), 5), speech.between(word.end, 1e6)
    )


def _loop_end(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _join(speech.waveform, *[speech.between(speech.words[-3].start, speech.words[-1].end)] * N_LOOPS)


def _append_silence(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _join(speech.waveform, np.zeros(2 * len(speech.waveform)))


def _prepend_other_words(n_words: int) -> Damage:
    def damage(speech: Speech, _: np.random.Generator) -> np.ndarray:
        assert speech.other is not None
        return _join(speech.other.between(speech.other.words[-n_words].start, 1e6), speech.waveform)

    return damage


def _noise(n: int, level: float, generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=n) * level


def _add_noise_at_snr(snr_db: float) -> Damage:
    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        level = float(speech.waveform.std()) * 10 ** (-snr_db / 20)
        return np.clip(speech.waveform + _noise(len(speech.waveform), level, generator), -1, 1).astype(np.float32)

    return damage


def _insert_burst(make: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Damage:
    """Insert 0.8 s of a sound as loud as the speech between two words.

    `make` returns the sound: (n,) seconds to (n,) samples with an RMS of 1.
    """

    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        cut = round(speech.words[_clause(speech, generator)[0]].start * RATE)
        sound = make(np.arange(round(0.8 * RATE)) / RATE, generator) * float(speech.waveform.std())
        return _join(speech.waveform[:cut], np.clip(sound, -1, 1), speech.waveform[cut:])

    return damage


def _replace_with_noise(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    return np.clip(_noise(len(speech.waveform), float(speech.waveform.std()), generator), -1, 1).astype(np.float32)


# damage: (the failure that it causes, the function that does it)
DAMAGES: dict[str, tuple[str, Damage]] = {
    "silence": ("empty", lambda speech, _: np.zeros_like(speech.waveform)),
    "last 20 % of the time gone": ("cut_off", _cut_end(0.2)),
    "last 50 % of the time gone": ("cut_off", _cut_end(0.5)),
    "last 3 words gone": ("cut_off", _cut_last_words(3)),
    "ends in the middle of the last word": ("cut_off", _cut_in_last_word),
    f"{CLAUSE} words gone": ("swallowed_clause", _swallow_clause),
    f"{CLAUSE} words twice": ("repeated_clause", _repeat_clause),
    "a word six times": ("repeated_clause", _stutter),
    f"last 3 words {N_LOOPS + 1} times": ("runaway", _loop_end),
    "two thirds silence": ("runaway", _append_silence),
    "5 words of another recording first": ("leaked_prompt", _prepend_other_words(5)),
    "8 words of another recording first": ("leaked_prompt", _prepend_other_words(8)),
    "white noise, 6 dB SNR": ("noise", _add_noise_at_snr(6)),
    "white noise, 10 dB SNR": ("noise", _add_noise_at_snr(10)),
    "0.8 s of white noise": ("noise", _insert_burst(lambda t, generator: _noise(len(t), 1.0, generator))),
    "0.8 s of 100 Hz hum": ("noise", _insert_burst(lambda t, _: np.sign(np.sin(2 * np.pi * 100 * t)))),
    "0.8 s of a 1 kHz tone": ("noise", _insert_burst(lambda t, _: np.sqrt(2) * np.sin(2 * np.pi * 1000 * t))),
    "noise alone": ("noise", _replace_with_noise),
}


NOTES = """
What each judge detects: `empty`, `cut_off`, `swallowed_clause`, `repeated_clause`, `runaway` and `leaked_prompt` need
the words, so a judge that mishears more finds fewer of them. `noise` and the abrupt ends among `cut_off` are found in
the samples, whichever judge is used. `wrong_language` needs a judge of many languages (whisper, faster-whisper). A
judge of English alone hears English in everything, and the stage evaluate then reports this failure as not
measurable. Speech in another language still raises the word error rate, because hardly a word of it is right.
"""


@cache
def _transcriber() -> Transcriber:
    return load_transcriber(ASR)


def find_failures(speech: Speech, waveform: np.ndarray) -> tuple[str, ...]:
    """Return the failures in (n,) float32 samples at RATE that should say the speech's text."""
    reference = normalize_text(speech.text, LANGUAGE)
    hypothesis = normalize_text(_transcriber().transcribe(waveform, RATE, LANGUAGE), LANGUAGE)
    expected = len(reference.split()) * speech.pace
    reference_clip_text = normalize_text(speech.other.text, LANGUAGE) if speech.other else ""
    return speech_failures(
        reference,
        hypothesis,
        len(waveform) / RATE,
        expected,
        measure_sound(waveform, RATE),
        language=LANGUAGE,
        reference_clip_text=reference_clip_text,
        spoken_language=_transcriber().spoken_language(waveform, RATE),
    )


def failures_by_damage(speech: Speech, damages: Sequence[str], seed: int) -> dict[str, tuple[str, ...]]:
    """Return the failures by damage, with those of the undamaged recording under UNDAMAGED."""
    generator = np.random.default_rng(seed)
    return {UNDAMAGED: find_failures(speech, speech.waveform)} | {
        name: find_failures(speech, DAMAGES[name][1](speech, generator)) for name in damages
    }


def speaker_folders() -> list[Path]:
    """Return the folders of recordings with metadata.csv (id, written, spoken) and wavs/."""
    shared = Path(os.environ.get("VOXFOUNDRY_SHARED", ROOT.parent / "shared")) / "data/ljspeech"
    return [folder for folder in (ROOT / "data/1_recordings/sample", shared) if folder.is_dir()]


def load_speeches(folder: Path, n_damaged: int, n: int) -> list[Speech]:
    """Load recordings of at least MIN_WORDS words.

    The first n_damaged + 1 last at most MAX_SECONDS and have the times of their words, so that they can be damaged.

    Args:
        folder: a folder of recordings.
        n_damaged: number of recordings to damage.
        n: largest number of recordings.
    """
    speeches: list[Speech] = []
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.split("|")
        if len(WORD.findall(text)) >= MIN_WORDS:
            samples, sample_rate = load_audio(next((folder / "wavs").glob(f"{name}.*")))
            speeches.append(Speech(text, to_rate(to_mono(samples), sample_rate, RATE), words=(), pace=0.0))
    n_words = sum(len(normalize_text(speech.text, LANGUAGE).split()) for speech in speeches)
    pace = sum(len(speech.waveform) for speech in speeches) / RATE / n_words
    speeches = [replace(speech, pace=pace) for speech in speeches]
    short = (speech for speech in speeches if len(speech.waveform) <= MAX_SECONDS * RATE)
    aligned = list(islice(filter(None, map(_align_words, short)), n_damaged + 1))
    aligned_texts = {speech.text for speech in aligned}
    chosen = (aligned + [speech for speech in speeches if speech.text not in aligned_texts])[:n]
    return [replace(speech, other=following) for speech, following in pairwise([*chosen, chosen[0]])]


def _align_words(speech: Speech) -> Speech | None:
    """Return the speech with the times of its words, or None where forced alignment fails."""
    try:
        words = force_align(speech.waveform, RATE, WORD.findall(speech.text), pronounce)
    except AlignmentError:
        return None
    return replace(speech, words=tuple(words))


def _share_with_interval(k: int, n: int) -> str:
    """Return k of n with the exact 95 % interval (Clopper-Pearson)."""
    bounds = binomtest(k, n).proportion_ci(0.95)
    return f"{k}/{n} = {k / n:.0%} ({bounds.low:.0%}-{bounds.high:.0%})"


def tables(results: Sequence[dict[str, tuple[str, ...]]]) -> str:
    """Return two Markdown tables: false alarms by detector, and hits by damage with the other failures named."""
    unmeasurable = unmeasurable_failures(ASR)
    good = [result[UNDAMAGED] for result in results]
    lines = ["| detector | false alarms in good speech |", "|---|---|"]
    for name in FAILURES:
        alarms = _share_with_interval(sum(name in one for one in good), len(good))
        if name in unmeasurable:
            alarms = f"not measurable with {ASR}"
        lines.append(f"| {name} | {alarms} |")
    lines.append(f"| any | {_share_with_interval(sum(map(bool, good)), len(good))} |")
    lines += ["", "| damage | detector | hits | any failure named | other names |", "|---|---|---|---|---|"]
    for damage, (name, _) in DAMAGES.items():
        bad = [result[damage] for result in results if damage in result]
        if not bad:
            continue
        others = [other for one in bad for other in one if other != name]
        listed = ", ".join(f"{other} {others.count(other)}" for other in FAILURES if other in others)
        hits = _share_with_interval(sum(name in one for one in bad), len(bad))
        caught = _share_with_interval(sum(map(bool, bad)), len(bad))
        lines.append(f"| {damage} | {name} | {hits} | {caught} | {listed or '-'} |")
    return "\n".join(lines) + "\n"


def run(n: int, n_good: int, damages: Sequence[str], n_jobs: int) -> str:
    """Return the tables and a sentence about their data. They do not depend on the number of processes.

    Args:
        n: recordings to damage, per speaker.
        n_good: recordings to score undamaged, per speaker, at least n.
        damages: keys of DAMAGES.
        n_jobs: worker processes. They end when this process is killed.
    """
    folders = speaker_folders()
    by_speaker = [load_speeches(folder, n, max(n + 1, n_good)) for folder in folders]
    work = [(speech, damages if i < n else ()) for speeches in by_speaker for i, speech in enumerate(speeches)]
    work = [(speech, some if speech.words and speech.other.words else ()) for speech, some in work]
    work.sort(key=lambda pair: -len(pair[1]))  # the longest first, so that no process is left with them at the end
    calls = [partial(failures_by_damage, speech, some, seed) for seed, (speech, some) in enumerate(work)]
    results = []
    with worker_processes(n_jobs) as workers:
        for result in workers(call, calls):
            results.append(result)
            print(f"failures: {len(results)}/{len(work)} recordings", file=sys.stderr, flush=True)
    about = f"{len(work)} recordings of {len(folders)} speakers, {sum(bool(some) for _, some in work)} of them damaged"
    return f"{about}; judge {ASR} {_transcriber().version}; exact 95 % intervals in brackets.\n\n{tables(results)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failures", description="Hits and false alarms.")
    parser.add_argument("--n", type=int, default=10, help="recordings to damage, per speaker")
    parser.add_argument("--n-good", type=int, default=1000, help="recordings to score undamaged, per speaker")
    parser.add_argument("--only", nargs="+", choices=tuple(DAMAGES), default=tuple(DAMAGES), help="kinds of damage")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--markdown", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    text = run(options.n, options.n_good, options.only, options.jobs)
    print(text)
    if options.markdown:
        command = f"python -m benchmarks.failures --n {options.n} --n-good {options.n_good}"
        head = f"# Failures of speech: hits and false alarms\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}: "
        options.markdown.write_text(head + text + NOTES, encoding="utf-8")


if __name__ == "__main__":
    main()
