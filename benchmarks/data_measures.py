"""How far the figures of ingest and align are from the truth, as Markdown.

    python -m benchmarks.data_measures --shared ../shared

The speech is real: 24 clips of LJSpeech, 60 of six LibriSpeech speakers, and recordings of the sample voice. What is
measured on it is made up in code with a seed, so that its true value is known.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyloudnorm

from benchmarks.made_up_sound import DISGUISES, NOISES, converted, encoded, in_room, measured, with_music, with_noise
from benchmarks.nonspeech import SAMPLE_RATE
from gpt_sovits.audio import load_audio, resample, to_mono
from metrics.judges.speaker import load_speaker_judge
from stages.recordings.sound.twins import find_twins
from stages.speakers.voices import find_speakers

SNRS_DB = (0, 5, 10, 20, 30)
T60S = (0.3, 0.5, 0.7, 1.0, 1.3)
DIRECT_DB = (0.0, 3.0, 6.0)
MUSIC_DB = (20, 10, 5)
MIN_SECONDS = 3.0
N_OF_OTHERS = 10  # clips of another speaker in a folder of LJSpeech
SHORT_SECONDS = (1.0, 1.5, 2.0, 3.0)
MIN_SIMILARITY = 0.62  # align.min_speaker_similarity

Clip = tuple[np.ndarray, int]


def read_clips(folder: Path, pattern: str) -> list[Clip]:
    """Return ((n,) float32, sample rate in Hz) of every file below a folder, sorted by path."""
    clips = [load_audio(path) for path in sorted(folder.rglob(pattern))]
    return [(to_mono(samples), rate) for samples, rate in clips]


def at_16k(clips: Sequence[Clip]) -> list[np.ndarray]:
    """Return clips of at least MIN_SECONDS at SAMPLE_RATE."""
    return [resample(wave, rate, SAMPLE_RATE) for wave, rate in clips if len(wave) >= MIN_SECONDS * rate]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def error_cells(errors: Sequence[float], places: int = 1) -> list[str]:
    """Return the mean error, and the size that 95 % of the errors stay below."""
    if not errors:
        return ["-", "-"]
    return [f"{np.mean(errors):+.{places}f}", f"{np.percentile(np.abs(errors), 95):.{places}f}"]


def snr_rows(voices: dict[str, list[np.ndarray]], random: np.random.Generator) -> Iterator[list[object]]:
    """Yield the errors of the SNR by voice, noise and true SNR."""
    for voice, clips in voices.items():
        for name, kind in NOISES.items():
            for snr in SNRS_DB:
                found = [measured(with_noise(clip, kind, snr, random))[0].snr_db for clip in clips]
                yield [voice, name, snr, *error_cells([one - snr for one in found if one is not None])]
        clean = [measured(clip)[0].snr_db for clip in clips]
        yield [voice, "none added", f"{np.median([one for one in clean if one is not None]):.0f} (median)", "-", "-"]


def room_rows(voices: dict[str, list[np.ndarray]], random: np.random.Generator) -> Iterator[list[object]]:
    """Yield the errors of T60 by voice and true T60."""
    for voice, clips in voices.items():
        dry = [one for clip in clips if (one := measured(clip)[0].reverberation_seconds) is not None]
        yield [voice, "as recorded", f"{np.median(dry):.2f} (median)", f"{max(dry):.2f} (largest)"]
        for t60 in T60S:
            rooms = [measured(in_room(clip, t60, direct, random))[0] for direct in DIRECT_DB for clip in clips]
            errors = [one.reverberation_seconds - t60 for one in rooms if one.reverberation_seconds is not None]
            yield [voice, t60, *error_cells(errors, 2)]


def bandwidth_rows(clips: Sequence[Clip]) -> Iterator[list[object]]:
    """Yield the smallest and largest bandwidth by what was done to clips of 22.05 kHz."""
    makers = {
        "as recorded, 22.05 kHz": lambda wave, rate: (wave, rate),
        "once 8 kHz, now 44.1 kHz": lambda wave, rate: (converted(wave, rate, 8000, 44100), 44100),
        "once 8 kHz, now 16 kHz": lambda wave, rate: (converted(wave, rate, 8000, 16000), 16000),
        "once 8 kHz, now MP3 of 44.1 kHz": lambda wave, rate: encoded(
            converted(wave, rate, 8000, 44100), 44100, format="MP3"
        ),
        "once 11.025 kHz, now 44.1 kHz": lambda wave, rate: (converted(wave, rate, 11025, 44100), 44100),
        "once 16 kHz, now 44.1 kHz": lambda wave, rate: (converted(wave, rate, 16000, 44100), 44100),
    }
    for name, make in makers.items():
        found = [measured(*make(*clip))[0].bandwidth_hz for clip in clips]
        yield [name, min(found), max(found)]


def loudness_row(clips: Sequence[Clip]) -> list[object]:
    """Return the difference of the loudness to pyloudnorm's."""
    errors = [
        measured(wave, rate)[0].loudness_lufs - pyloudnorm.Meter(rate).integrated_loudness(wave.astype(np.float64))
        for wave, rate in clips
    ]
    return [len(errors), *error_cells(errors, 2)]


def music_rows(voices: dict[str, list[np.ndarray]], random: np.random.Generator) -> Iterator[list[object]]:
    """Yield the share of the time with steady tones by what is behind the speech of one long recording."""
    for voice, clips in voices.items():
        long = np.concatenate(clips)
        yield [voice, "nothing", f"{measured(long)[0].music_share:.2f}"]
        for snr in MUSIC_DB:
            yield [voice, f"chords at {snr} dB", f"{measured(with_music(long, snr, random))[0].music_share:.2f}"]


def duplicate_rows(clips: Sequence[Clip], random: np.random.Generator) -> Iterator[list[object]]:
    """Yield how many clips are found again in each disguise, and how many other pairs are taken for twins."""
    originals = [measured(wave, rate)[1] for wave, rate in clips]
    for name, disguise in DISGUISES.items():
        others = [measured(*disguise(wave, rate, random))[1] for wave, rate in clips]
        twins = {(one.first, one.second) for one in find_twins([*originals, *others])}
        found = {(index, index + len(clips)) for index in range(len(clips))} & twins
        yield [name, f"{len(found)} of {len(clips)}", len(twins - found)]


def speaker_rows(voice: Sequence[Clip], others: dict[str, list[Clip]]) -> Iterator[list[object]]:
    """Yield how many of ten clips of each other speaker are found in a folder, and how many of the voice are lost."""
    judge = load_speaker_judge("ecapa_small")
    own = [judge.embed(*clip) for clip in voice]
    for name, clips in others.items():
        strange = [judge.embed(*clip) for clip in clips[:N_OF_OTHERS]]
        seconds = [len(wave) / rate for wave, rate in [*voice, *clips[:N_OF_OTHERS]]]
        labels = find_speakers(np.stack([*own, *strange]), seconds, MIN_SIMILARITY).labels
        lost, found = int((labels[: len(own)] != 0).sum()), int((labels[len(own) :] != 0).sum())
        yield [name, f"{found} of {len(strange)}", f"{lost} of {len(own)}", len(set(labels[len(own) :].tolist()) - {0})]


def short_rows(speakers: dict[str, list[Clip]]) -> Iterator[list[object]]:
    """Yield the same over all pairs of speakers, where ten whole clips are the voice and others are cut to a length."""
    judge = load_speaker_judge("ecapa_small")
    whole = {name: [judge.embed(*clip) for clip in clips[:N_OF_OTHERS]] for name, clips in speakers.items()}
    lengths = {name: [len(wave) / rate for wave, rate in clips[:N_OF_OTHERS]] for name, clips in speakers.items()}
    for seconds in SHORT_SECONDS:
        cut = {
            name: [
                judge.embed(*middle(clip, seconds)) for clip in clips[:N_OF_OTHERS] if len(clip[0]) > seconds * clip[1]
            ]
            for name, clips in speakers.items()
        }
        lost = found = n_own = n_strange = 0
        for voice in speakers:
            for other, short in cut.items():
                known, times = whole[voice], lengths[voice]
                found_now = find_speakers(np.stack([*known, *short]), [*times, *[seconds] * len(short)], MIN_SIMILARITY)
                n_others = int((found_now.labels[len(known) :] != 0).sum())
                if other == voice:
                    lost, n_own = lost + n_others, n_own + len(short)
                else:
                    found, n_strange = found + n_others, n_strange + len(short)
        yield [seconds, f"{found / n_strange:.0%} of {n_strange}", f"{lost / n_own:.0%} of {n_own}"]


def middle(clip: Clip, seconds: float) -> Clip:
    """Return the middle of a clip."""
    wave, rate = clip
    start = (len(wave) - round(seconds * rate)) // 2
    return wave[start : start + round(seconds * rate)], rate


def cost_rows(clips: Sequence[Clip]) -> Iterator[list[object]]:
    """Yield the processor time of all figures of sound by sample rate."""
    long = np.concatenate([wave for wave, _ in clips])
    for rate in (16_000, 22_050, 44_100, 48_000):
        waveform = resample(long, clips[0][1], rate)
        start = time.process_time()
        measured(waveform, rate)
        cost = (time.process_time() - start) / (len(waveform) / rate)
        yield [rate, f"{1000 * cost:.2f}", f"{1 / cost:.0f}"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_measures", description="errors of the figures")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of the reference data")
    parser.add_argument("--sample", type=Path, default=Path("data/1_recordings/sample/wavs"), help="the sample voice")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and rooms")
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    reader = read_clips(arguments.shared / "data/ljspeech/wavs", "*.wav")
    folders = sorted((arguments.shared / "data/librispeech_speakers/test").iterdir())
    strangers = {folder.name: read_clips(folder, "*.flac") for folder in folders}
    sample = read_clips(arguments.sample, "*.flac")[:24]
    voices = {
        "LJSpeech": at_16k(reader),
        "LibriSpeech": at_16k([clip for clips in strangers.values() for clip in clips[:4]]),
        "sample voice": at_16k(sample),
    }
    parts = (
        ("Loudness", ["clips", "mean difference, LU", "95 % below, LU"], [loudness_row([*reader, *sample])]),
        ("SNR", ["voice", "noise", "true, dB", "mean error, dB", "95 % below, dB"], snr_rows(voices, random)),
        ("Reverberation", ["voice", "true T60, s", "mean error, s", "95 % below, s"], room_rows(voices, random)),
        ("Bandwidth", ["24 clips of LJSpeech", "smallest, Hz", "largest, Hz"], bandwidth_rows(reader)),
        ("Music", ["voice", "behind it", "music_share"], music_rows(voices, random)),
        ("Duplicates", ["disguise", "found", "other pairs"], duplicate_rows([*reader, *sample], random)),
        ("Speakers", ["other speaker", "found", "lost of LJSpeech", "groups"], speaker_rows(reader, strangers)),
        ("Short clips", ["seconds", "found", "lost"], short_rows({"LJSpeech": reader, **strangers})),
        ("Cost", ["sample rate", "ms per second", "times real time"], cost_rows(reader)),
    )
    for title, head, rows in parts:
        print(f"\n## {title}\n\n{table(head, list(rows))}", flush=True)


if __name__ == "__main__":
    main()
