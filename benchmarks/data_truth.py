"""How well align finds the texts of long recordings of which every word and its time is known.

    python -m benchmarks.data_truth                                              # print the tables
    python -m benchmarks.data_truth --markdown benchmarks/transcripts/TRUTH.md

Recordings of 10, 30 and 60 minutes are built from sentences with known words, under noise, and their transcripts get
faults. The stages ingest and segment run once per recording, and align runs once per transcript. The answers of the
recogniser and of the aligner are kept in --work with the clips, so a run can be stopped, resumed and repeated. Delete
that folder after a change to ingest or segment.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import soundfile

from benchmarks.judge_cache import Answers, CachedJudge
from benchmarks.nonspeech import SAMPLE_RATE
from benchmarks.planted_faults import vocabulary_of
from benchmarks.timed_sentences import TimedSentence, load_timed_sentences
from benchmarks.transcript_faults import CONSENT_DAY, ROOT, VOICE, speaker_folders
from benchmarks.true_recordings import TrueRecording, true_recording
from benchmarks.true_texts import TEXTS, Ingredients
from benchmarks.truth_results import TruthResult, table, truth_result
from gpt_sovits.audio import load_audio, to_mono
from metrics import forced_alignment
from metrics.judges.asr import load_transcriber
from metrics.pocketsphinx_decoder import sphinx_version
from stages.align import align
from stages.alignment import noise
from stages.alignment.matching import WordTime
from stages.alignment.transcribe import word_times
from stages.ingest import ingest
from stages.params import Params, load_params
from stages.segment import segment
from stages.tables import AlignedClip, Clip, Disagreement, Recording, read_table, write_table

NO_NOISE = 99  # dB, in a seed
CASES: tuple[tuple[int, int | None], ...] = (  # minutes, speech over noise in dB
    *((10, snr) for snr in (None, 30, 20, 10, 5)),
    *((minutes, snr) for minutes in (30, 60) for snr in (None, 20)),
)
HEARD_FROM_DB = 20  # from which level the goals are higher
TIMING = (forced_alignment, noise)  # the modules on which the times of words depend
N_UNSPOKEN = 200  # sentences that faults are made of
NOTES = """
Sentences whose words were timed one by one and clean are joined with pauses, round after round in a random order, until
the recording is long enough. White noise, speech-shaped noise and babble take turns, one minute each. A clip is
untouched if no fault was planted into what is said in it. A fault is reported if a row of `disagreements.jsonl` is at
its place. A rejected clip has such a row too. The times are those of the words of kept clips with the right text. Their
truth comes from pocketsphinx too, on clean sentences with silence around them, so they show what noise and neighbours
change, and not how well pocketsphinx aligns clean sentences ([word times](../../docs/pipeline/align.md)).

The sentences repeat (24 of LJSpeech are 2.7 minutes), which is harder than a real text: every passage has other places
where it would fit.
"""


def unspoken_sentences(speaker: str) -> list[str]:
    """Return sentences that nobody says in the recordings of a speaker: those of the others."""
    texts = []
    for other, folder in speaker_folders().items():
        if other != speaker:
            lines = (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()
            texts += [line.split("|")[1] for line in lines]
    return texts[:N_UNSPOKEN]


def prepared(
    folder: Path, sentences: Sequence[TimedSentence], minutes: int, snr: int | None, params: Params
) -> TrueRecording:
    """Return a recording, whose manifest and clips are then in a folder."""
    random = np.random.default_rng([minutes, NO_NOISE if snr is None else snr])
    recording = true_recording(sentences, minutes, snr, random)
    if not folder.is_dir():
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        for name in ("joined", "manifest", "clips"):
            (new / name).mkdir(parents=True)
        (new / "joined/voice.yaml").write_text(VOICE, encoding="utf-8")
        soundfile.write(new / "joined/0.flac", recording.waveform, SAMPLE_RATE)
        ingest(new / "joined", new / "manifest", params.ingest, CONSENT_DAY)
        segment(new / "joined", new / "manifest", new / "clips", params.segment)
        new.rename(folder)
    return replace(recording, waveform=recording.waveform[:0])


def run_recording(
    speaker: str, sentences: Sequence[TimedSentence], minutes: int, snr: int | None, work: Path, asr: str
) -> Iterator[TruthResult]:
    """Yield what became of one recording with each transcript."""
    params = load_params(ROOT / "params.yaml")
    folder = work / f"{speaker.replace(' ', '_')}-{minutes}-{snr}"
    recording = prepared(folder, sentences, minutes, snr, params)
    aligned = work / "aligned"
    clips = read_table(folder / "clips/clips.jsonl", Clip)
    row = read_table(folder / "manifest/recordings.jsonl", Recording)[0]
    vocabulary = vocabulary_of([token.written for sentence in sentences for token in sentence.tokens])
    for number, (name, plant) in enumerate(TEXTS.items()):
        random = np.random.default_rng([minutes, number])
        text = plant(recording.sentences, Ingredients(vocabulary, unspoken_sentences(speaker), random))
        write_table(folder / "manifest/recordings.jsonl", [row.model_copy(update={"transcript": text.text})])
        shutil.rmtree(aligned, ignore_errors=True)
        aligned.mkdir(parents=True)
        # one job: the judge stays in this process, where its answers are remembered
        align(folder / "clips", folder / "manifest", aligned, params.align.model_copy(update={"n_jobs": 1}), asr)
        rows = read_table(aligned / "clips.jsonl", AlignedClip)
        disagreements = read_table(aligned / "disagreements.jsonl", Disagreement)
        yield truth_result((speaker, minutes, snr, name), recording, text, clips, rows, disagreements)


def run(
    speakers: Sequence[str], cases: Sequence[tuple[int, int | None]], asr: str, work: Path
) -> Iterator[TruthResult]:
    """Yield what became of every recording with every transcript.

    Args:
        speakers: keys of speaker_folders().
        cases: minutes, and the level of the speech over the noise in dB.
        asr: name of an ASR judge.
        work: folder in which clips and answers are kept.
    """
    answers = Answers(work / "answers.sqlite")
    code = hashlib.sha256(b"".join(Path(module.__file__ or "").read_bytes() for module in TIMING)).hexdigest()[:12]
    judge = CachedJudge(load_transcriber(asr), answers)

    def remembered_times(paths: Sequence[Path], words: Sequence[str], *, as_recorded: bool = False) -> list[WordTime]:
        samples = np.concatenate([to_mono(load_audio(path)[0]) for path in paths])
        question = [f"{sphinx_version()}, code {code}", "word_times", list(words), as_recorded]
        found = answers.answer(question, samples, lambda: word_times(paths, words, as_recorded=as_recorded))
        return [tuple(time) for time in found]

    with ExitStack() as stack:
        stack.enter_context(patch("stages.alignment.transcribe.load_transcriber_once", lambda *_: judge))
        stack.enter_context(patch("stages.alignment.clip_texts.word_times", remembered_times))
        stack.enter_context(patch("stages.align.check_rejected_share", lambda *_: None))
        for speaker in speakers:
            sentences = load_timed_sentences(speaker_folders()[speaker])
            for minutes, snr in cases:
                print(f"data_truth: {speaker}, {minutes} minutes, {snr} dB", file=sys.stderr, flush=True)
                with redirect_stdout(sys.stderr):
                    results = list(run_recording(speaker, sentences, minutes, snr, work, asr))
                    print(table(results, "transcript", lambda one: one.text), flush=True)
                yield from results


def report(results: Sequence[TruthResult]) -> str:
    """Return the tables."""
    results = sorted(results, key=lambda one: (one.minutes, -NO_NOISE if one.snr is None else -one.snr))
    parts = []
    for speaker in dict.fromkeys(one.speaker for one in results):
        own = [one for one in results if one.speaker == speaker]
        clear = [one for one in own if one.snr is None or one.snr >= HEARD_FROM_DB]
        parts += [
            f"## {speaker}\n",
            table(own, "minutes, noise", lambda one: f"{one.minutes}, {_level(one)}"),
            f"Transcripts at {HEARD_FROM_DB} dB and better:\n",
            table(clear, "transcript", lambda one: one.text),
        ]
        for snr in sorted({one.snr for one in own} - {one.snr for one in clear}, reverse=True):
            parts.append(f"Transcripts at {snr} dB:\n")
            parts.append(table([one for one in own if one.snr == snr], "transcript", lambda one: one.text))
    return "\n".join(parts)


def _level(one: TruthResult) -> str:
    return "none" if one.snr is None else f"{one.snr} dB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_truth", description="Texts of long recordings.")
    parser.add_argument("--speakers", nargs="+", default=list(speaker_folders()), help="whose recordings")
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 30, 60], help="lengths")
    parser.add_argument("--snrs", nargs="+", default=["none", 30, 20, 10, 5], help="speech over noise in dB, or none")
    parser.add_argument("--judge", default="faster-whisper-tiny.en", help="name of an ASR judge")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache/data_truth", help="clips and answers")
    parser.add_argument("--markdown", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    snrs = [None if snr == "none" else int(snr) for snr in options.snrs]
    cases = [(minutes, snr) for snr in snrs for minutes in options.minutes if (minutes, snr) in CASES]
    results: list[TruthResult] = []
    for result in run(options.speakers, cases, options.judge, options.work):
        results.append(result)
        if options.markdown and len(results) % len(TEXTS) == 0:  # after each recording, because a run takes hours
            write_markdown(options.markdown, results, options)
    print(report(results))


def write_markdown(path: Path, results: Sequence[TruthResult], options: argparse.Namespace) -> None:
    """Write the tables with the command that makes them."""
    speakers = " ".join(f"'{speaker}'" if " " in speaker else speaker for speaker in options.speakers)
    minutes, snrs = (" ".join(map(str, values)) for values in (options.minutes, options.snrs))
    command = f"python -m benchmarks.data_truth --speakers {speakers} --minutes {minutes} --snrs {snrs}"
    about = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, judge {options.judge}."
    path.parent.mkdir(exist_ok=True)
    text = f"# Long recordings of known truth\n\n{about}\n{NOTES}\n{report(results)}"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
