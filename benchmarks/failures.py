"""Which damage to speech is found, and how often good speech is called damaged.

    python -m benchmarks.failures                                  # print the tables
    python -m benchmarks.failures --markdown benchmarks/FAILURES.md

Recordings with known words are damaged on purpose at word borders, which forced alignment finds. Then they are scored
as the stage evaluate does it: Whisper hears them, and metrics/failures.py names the failures. Sounds in which nobody
speaks are scored in the same way. The recordings are those of benchmarks/failure_speeches.py. What the judges heard is
kept in .cache/failures, so a run with other constants takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.failure_damages import DAMAGES, RATE, UNDAMAGED, Speech, apply_damage
from benchmarks.failure_hearing import LANGUAGE, ROOT, find_failures, hear, transcriber
from benchmarks.failure_speeches import TEXT_JUDGE, load_speeches, speech_sets
from benchmarks.failure_tables import Result, SoundResult, all_tables
from benchmarks.nonspeech import SAMPLE_RATE, NonspeechClip, nonspeech_clips
from metrics.prompts import load_prompts
from stages.execution.parallel import call, worker_processes

PACE = 0.35  # seconds per word, to expect a length where nobody speaks


def failures_by_damage(asr: str, speech: Speech, damages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the failures by damage, with those of the undamaged recording under UNDAMAGED."""
    return {UNDAMAGED: find_failures(asr, speech, speech.waveform)} | {
        name: find_failures(asr, speech, apply_damage(name, speech)) for name in damages
    }


def failures_without_speech(asr: str, clip: NonspeechClip, text: str) -> SoundResult:
    """Return what is heard and named where a text should be spoken and nobody speaks."""
    assert SAMPLE_RATE == RATE
    found = find_failures(asr, Speech("", text, clip.waveform, pace=PACE), clip.waveform)
    return SoundResult(clip.name.split()[0], bool(hear(asr, clip.waveform).text), found)


def run(asr: str, n: int, n_good: int, damages: Sequence[str], n_jobs: int) -> str:
    """Return the tables and a sentence about their data. They do not depend on the number of processes.

    Args:
        asr: name of an ASR judge.
        n: recordings to damage, per set.
        n_good: recordings to score undamaged, per speaker.
        damages: keys of DAMAGES.
        n_jobs: worker processes. They end when this process is killed.
    """
    prompts = load_prompts(ROOT / f"benchmarks/prompts/{LANGUAGE}.yaml").prompts
    clips = list(nonspeech_clips())
    sounds = [
        partial(failures_without_speech, asr, clip, prompts[i % len(prompts)].text) for i, clip in enumerate(clips)
    ]
    work = [(one, speech) for one in speech_sets() for speech in load_speeches(one, n, n_good)]
    work.sort(
        key=lambda pair: -len(pair[1].words)
    )  # the longest first, so that no process is left with them at the end
    calls = [partial(failures_by_damage, asr, speech, damages if speech.words else ()) for _, speech in work]
    order = [one.name for one in speech_sets()]
    results: list[Result] = []
    with worker_processes(n_jobs) as workers:
        for (one, _), found in zip(work, workers(call, calls), strict=True):
            results.append(Result(one.name, one.is_tuning, one.has_text, found))
            print(f"failures: {len(results)}/{len(work)} recordings", file=sys.stderr, flush=True)
        without_speech = list(workers(call, sounds))
    results.sort(key=lambda result: order.index(result.set_name))
    n_damaged = sum(bool(speech.words) for _, speech in work)
    judge = transcriber(asr)
    about = f"{len(work)} recordings, {n_damaged} of them damaged, and {len(clips)} sounds without speech"
    return f"{about}; judge {judge.name} {judge.version}.\n\n{all_tables(asr, results, without_speech)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failures", description="Hits and false alarms.")
    parser.add_argument("--judge", default=TEXT_JUDGE, help="name of the ASR judge")
    parser.add_argument("--n", type=int, default=12, help="recordings to damage, per set")
    parser.add_argument("--n-good", type=int, default=1000, help="recordings to score undamaged, per speaker")
    parser.add_argument("--only", nargs="+", choices=tuple(DAMAGES), default=tuple(DAMAGES), help="kinds of damage")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--markdown", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    text = run(options.judge, options.n, options.n_good, options.only, options.jobs)
    print(text)
    if options.markdown:
        command = f"python -m benchmarks.failures --n {options.n}"
        head = f"# Failures of speech: hits and false alarms\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}: "
        options.markdown.write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
