"""Which damage to speech is found, and how often good speech is called damaged.

    python -m benchmarks.failures --n 10                      # tables
    python -m benchmarks.failures --n 10 --markdown benchmarks/FAILURES.md

Recordings with known words are damaged on purpose at word borders that forced alignment finds, then judged as the
evaluate stage judges: pocketsphinx hears them, metrics/failures.py names what is wrong. The recordings are the sample
voice's and, where ../shared or $VOXFOUNDRY_SHARED has it, those of a real reader (LJSpeech).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from metrics.audio import to_rate
from metrics.errors import AlignmentError
from metrics.failures import FAILURES, speech_failures, unmeasurable_failures
from metrics.forced_alignment import AlignedWord, force_align
from metrics.judges.asr import Transcriber, load_transcriber
from metrics.normalize import normalize_text
from metrics.sound import measure_sound

ROOT = Path(__file__).resolve().parent.parent
ASR = "pocketsphinx"
LANGUAGE = "en"
UNDAMAGED = "none"
WORD = re.compile(r"[A-Za-z']+")
RATE = 16_000  # Hz at which everything is damaged and judged
MAX_SECONDS = 8.0  # of what is damaged: pocketsphinx takes longer for noise than it lasts
N_LOOPS = 9
CLAUSE = 5  # words that are swallowed or repeated: the shortest that a listener calls a clause
MIN_WORDS = CLAUSE + 4  # two before and two behind: a judge must hear where the text goes on


@dataclass(frozen=True, eq=False)
class Speech:
    """A recording with its words. waveform: (n,) float32 at RATE; pace: the speaker's seconds per word"""

    text: str
    waveform: np.ndarray
    words: tuple[AlignedWord, ...]
    pace: float
    other: Speech | None = None  # the speaker's recording that prompts the model and must not leak

    def between(self, start: float, end: float) -> np.ndarray:
        """The samples of a span in seconds."""
        return self.waveform[round(start * RATE) : round(end * RATE)]


Damage = Callable[[Speech, np.random.Generator], np.ndarray]


def _joined(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _clause(speech: Speech, generator: np.random.Generator) -> tuple[int, int]:
    """First and last word of CLAUSE words that have two words before and two behind them."""
    first = int(generator.integers(2, len(speech.words) - CLAUSE - 1))
    return first, first + CLAUSE - 1


def _shortened(share: float) -> Damage:
    return lambda speech, _: speech.waveform[: round((1 - share) * len(speech.waveform))]


def _without_last_words(n: int) -> Damage:
    return lambda speech, _: speech.between(0, speech.words[-n].start)


def _in_the_last_word(speech: Speech, _: np.random.Generator) -> np.ndarray:
    last = speech.words[-1]
    return speech.between(0, (last.start + last.end) / 2)


def _swallowed(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    return _joined(
        speech.between(0, speech.words[first].start), speech.waveform[round(speech.words[last].end * RATE) :]
    )


def _repeated(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    end = speech.words[last].end
    return _joined(speech.between(0, end), speech.waveform[round(speech.words[first].start * RATE) :])


def _stuttered(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    word = speech.words[_clause(speech, generator)[0]]
    return _joined(
        speech.between(0, word.end), np.tile(speech.between(word.start, word.end), 5), speech.between(word.end, 1e6)
    )


def _looped(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _joined(speech.waveform, *[speech.between(speech.words[-3].start, speech.words[-1].end)] * N_LOOPS)


def _trailing_silence(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _joined(speech.waveform, np.zeros(2 * len(speech.waveform)))


def _leaked(n_words: int) -> Damage:
    def damage(speech: Speech, _: np.random.Generator) -> np.ndarray:
        assert speech.other is not None
        return _joined(speech.other.between(speech.other.words[-n_words].start, 1e6), speech.waveform)

    return damage


def _noise(n: int, level: float, generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=n) * level


def _at_snr(snr_db: float) -> Damage:
    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        level = float(speech.waveform.std()) * 10 ** (-snr_db / 20)
        return np.clip(speech.waveform + _noise(len(speech.waveform), level, generator), -1, 1).astype(np.float32)

    return damage


def _with_burst(make: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Damage:
    """0.8 s of a sound as loud as the speech, between two words. make: (n,) seconds to (n,) of RMS 1"""

    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        cut = round(speech.words[_clause(speech, generator)[0]].start * RATE)
        sound = make(np.arange(round(0.8 * RATE)) / RATE, generator) * float(speech.waveform.std())
        return _joined(speech.waveform[:cut], np.clip(sound, -1, 1), speech.waveform[cut:])

    return damage


def _noise_alone(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    return np.clip(_noise(len(speech.waveform), float(speech.waveform.std()), generator), -1, 1).astype(np.float32)


# damage -> (the failure that it is, how it is done)
DAMAGES: dict[str, tuple[str, Damage]] = {
    "silence": ("empty", lambda speech, _: np.zeros_like(speech.waveform)),
    "last 20 % of the time gone": ("cut_off", _shortened(0.2)),
    "last 50 % of the time gone": ("cut_off", _shortened(0.5)),
    "last 3 words gone": ("cut_off", _without_last_words(3)),
    "ends in the middle of the last word": ("cut_off", _in_the_last_word),
    f"{CLAUSE} words gone": ("swallowed_clause", _swallowed),
    f"{CLAUSE} words twice": ("repeated_clause", _repeated),
    "a word six times": ("repeated_clause", _stuttered),
    f"last 3 words {N_LOOPS + 1} times": ("runaway", _looped),
    "two thirds silence": ("runaway", _trailing_silence),
    "5 words of another recording first": ("leaked_prompt", _leaked(5)),
    "8 words of another recording first": ("leaked_prompt", _leaked(8)),
    "white noise, 6 dB SNR": ("noise", _at_snr(6)),
    "white noise, 10 dB SNR": ("noise", _at_snr(10)),
    "0.8 s of white noise": ("noise", _with_burst(lambda t, generator: _noise(len(t), 1.0, generator))),
    "0.8 s of 100 Hz hum": ("noise", _with_burst(lambda t, _: np.sign(np.sin(2 * np.pi * 100 * t)))),
    "0.8 s of a 1 kHz tone": ("noise", _with_burst(lambda t, _: np.sqrt(2) * np.sin(2 * np.pi * 1000 * t))),
    "noise alone": ("noise", _noise_alone),
}


NOTES = """
Which judge sees what: `empty`, `cut_off`, `swallowed_clause`, `repeated_clause`, `runaway` and `leaked_prompt` need the
words, so a judge that mishears more finds fewer; `noise` and the abrupt ends among `cut_off` are told from the samples,
whoever judges. `wrong_language` needs a recogniser of many languages (whisper, faster-whisper); one of English alone
hears English in everything, and the evaluate stage says so. Such speech still counts: hardly a word of it is right.
"""


@cache
def _transcriber() -> Transcriber:
    return load_transcriber(ASR)


def found(speech: Speech, waveform: np.ndarray) -> tuple[str, ...]:
    """Failures in (n,) float32 samples at RATE that should say the speech's text."""
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


def judge_all(speech: Speech, damages: Sequence[str], seed: int) -> dict[str, tuple[str, ...]]:
    """Failures by damage, those of the recording as it is under UNDAMAGED."""
    generator = np.random.default_rng(seed)
    return {UNDAMAGED: found(speech, speech.waveform)} | {
        name: found(speech, DAMAGES[name][1](speech, generator)) for name in damages
    }


def speakers() -> list[Path]:
    """Folders of recordings with metadata.csv (id, written, spoken) and wavs/."""
    shared = Path(os.environ.get("VOXFOUNDRY_SHARED", ROOT.parent / "shared")) / "data/ljspeech"
    return [folder for folder in (ROOT / "data/1_recordings/sample", shared) if folder.is_dir()]


def speeches_of(folder: Path, n_damaged: int, n: int) -> list[Speech]:
    """At most n recordings of MIN_WORDS words and more, first those to be damaged: n_damaged + 1 of at most MAX_SECONDS
    with the places of their words."""
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
    placed = list(islice(filter(None, map(_with_places, short)), n_damaged + 1))
    done = {speech.text for speech in placed}
    chosen = (placed + [speech for speech in speeches if speech.text not in done])[:n]
    return [replace(speech, other=following) for speech, following in pairwise([*chosen, chosen[0]])]


def _with_places(speech: Speech) -> Speech | None:
    """The speech with the places of its words; None where forced alignment does not understand it."""
    try:
        words = force_align(speech.waveform, RATE, WORD.findall(speech.text), pronounce)
    except AlignmentError:
        return None
    return replace(speech, words=tuple(words))


def _share(k: int, n: int) -> str:
    """k of n with the exact 95 % interval (Clopper-Pearson)."""
    bounds = binomtest(k, n).proportion_ci(0.95)
    return f"{k}/{n} = {k / n:.0%} ({bounds.low:.0%}-{bounds.high:.0%})"


def tables(results: Sequence[dict[str, tuple[str, ...]]]) -> str:
    """Two Markdown tables: false alarms by detector, and hits by damage with what else was named."""
    unseen = unmeasurable_failures(ASR)
    good = [result[UNDAMAGED] for result in results]
    lines = ["| detector | false alarms in good speech |", "|---|---|"]
    for name in FAILURES:
        alarms = f"not measurable with {ASR}" if name in unseen else _share(sum(name in one for one in good), len(good))
        lines.append(f"| {name} | {alarms} |")
    lines.append(f"| any | {_share(sum(map(bool, good)), len(good))} |")
    lines += ["", "| damage | detector | hits | any failure named | other names |", "|---|---|---|---|---|"]
    for damage, (name, _) in DAMAGES.items():
        bad = [result[damage] for result in results if damage in result]
        if not bad:
            continue
        others = [other for one in bad for other in one if other != name]
        listed = ", ".join(f"{other} {others.count(other)}" for other in FAILURES if other in others)
        hits, caught = _share(sum(name in one for one in bad), len(bad)), _share(sum(map(bool, bad)), len(bad))
        lines.append(f"| {damage} | {name} | {hits} | {caught} | {listed or '-'} |")
    return "\n".join(lines) + "\n"


def run(n: int, n_good: int, damages: Sequence[str], n_jobs: int) -> str:
    """The tables with a sentence on what they are about. The same on any number of processes.

    n: recordings of each speaker that are damaged; n_good: that are judged as they are, at least n
    """
    folders = speakers()
    by_speaker = [speeches_of(folder, n, max(n + 1, n_good)) for folder in folders]
    work = [(speech, damages if i < n else ()) for speeches in by_speaker for i, speech in enumerate(speeches)]
    work = [(speech, some if speech.words and speech.other.words else ()) for speech, some in work]
    work.sort(key=lambda pair: -len(pair[1]))  # the long ones first, or one process has them all at the end
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(judge_all, speech, some, seed) for seed, (speech, some) in enumerate(work)]
        results = []
        for future in futures:
            results.append(future.result())
            print(f"failures: {len(results)}/{len(work)} recordings", file=sys.stderr, flush=True)
    about = f"{len(work)} recordings of {len(folders)} speakers, {sum(bool(some) for _, some in work)} of them damaged"
    return f"{about}; judge {ASR} {_transcriber().version}; exact 95 % intervals in brackets.\n\n{tables(results)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failures", description="Hits and false alarms.")
    parser.add_argument("--n", type=int, default=10, help="recordings of each speaker that are damaged")
    parser.add_argument("--n-good", type=int, default=1000, help="recordings of each speaker that are left as they are")
    parser.add_argument("--only", nargs="+", choices=tuple(DAMAGES), default=tuple(DAMAGES), help="damages")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--markdown", type=Path, help="file to write")
    options = parser.parse_args(arguments)
    text = run(options.n, options.n_good, options.only, options.jobs)
    print(text)
    if options.markdown:
        command = f"python -m benchmarks.failures --n {options.n} --n-good {options.n_good}"
        head = f"# Failures of speech: hits and false alarms\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}: "
        options.markdown.write_text(head + text + NOTES, encoding="utf-8")


if __name__ == "__main__":
    main()
