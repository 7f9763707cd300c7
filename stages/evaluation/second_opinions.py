"""Second opinions: other judges hear a part of the speech that the profile's judges have scored. They gate nothing.

They are asked after the checkpoint pair is chosen, so the selection spends no time on them. Of the prompts they hear
one seed only, because pocketsphinx takes at least twice as long as the judge of the profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import cosine
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text
from metrics.scores import SecondJudges, UtteranceScore
from metrics.wer import word_errors
from stages.evaluation.scoring import Utterance, VoiceEmbeddings, embed_file, loaded_speaker_judge
from stages.execution.one_version import with_one_version
from stages.execution.parallel import Map
from stages.execution.progress import report_progress
from stages.profiles import judge_weights, weights_stamp
from stages.sections.evaluation import Evaluate


class ScoredAudio(NamedTuple):
    """A scored row and its audio file."""

    row: UtteranceScore
    audio: Path


def scored(rows: Sequence[UtteranceScore], utterances: Sequence[Utterance]) -> list[ScoredAudio]:
    """Join each row with the audio of its utterance."""
    return [ScoredAudio(row, utterance.audio) for row, utterance in zip(rows, utterances, strict=True)]


def scored_prompts(rows: Sequence[UtteranceScore], folder: Path) -> list[ScoredAudio]:
    """Join each row with its audio in the score folder."""
    return [ScoredAudio(row, folder / row.audio) for row in rows]


class SecondOpinions(NamedTuple):
    """The same rows in the same order, with second opinions where there are some."""

    judges: SecondJudges
    rows: list[UtteranceScore]
    held_out: list[UtteranceScore]


class _SecondInUse(NamedTuple):
    """The second judges of a worker, and the languages that its ASR judge hears."""

    judges: SecondJudges
    languages: tuple[str, ...]


@dataclass(frozen=True)
class _Opinion:
    """What the second judges heard in one file, None where a judge was not asked or heard no speaker."""

    hypothesis: str | None
    embedding: np.ndarray | None


def ask_second_judges(
    settings: Evaluate, prompts: Sequence[ScoredAudio], held_out: Sequence[ScoredAudio], workers: Map
) -> SecondOpinions:
    """Add second opinions to the rows of the first seed and to the held-out recordings.

    Speech in a language that the ASR judge does not know is left out, and the note of the judges says so.

    Args:
        settings: the section `evaluate` of params.yaml, which names the second judges.
        prompts: the synthesised prompts.
        held_out: the speaker's held-out recordings.
        workers: runs the judges, see stages/execution/parallel.py.
    """
    seed = min((row.seed for row, _ in prompts), default=0)
    heard = [*(one for one in prompts if one.row.seed == seed), *held_out]
    if not settings.second_asr and not settings.second_speaker:
        judges = SecondJudges(seed=seed)
        return SecondOpinions(judges, [row for row, _ in prompts], [row for row, _ in held_out])
    names = {"asr_name": settings.second_asr, "speaker_name": settings.second_speaker}
    used, workers = with_one_version(workers, partial(_judges_in_use, **names))
    judges = used.judges.model_copy(update={"seed": seed, "note": _unheard_note(used, heard)})
    listen = partial(_listen, **names, languages=used.languages)
    opinions = list(report_progress(workers(listen, heard), len(heard), "second opinions on {} utterances"))
    voice = _voice([audio for _, audio in held_out], opinions[len(heard) - len(held_out) :])
    answered = [_with_opinion(*one, opinion, voice) for one, opinion in zip(heard, opinions, strict=True)]
    in_order = iter(answered)
    rows = [next(in_order) if row.seed == seed else row for row, _ in prompts]
    return SecondOpinions(judges, rows, list(in_order))


def _judges_in_use(asr_name: str | None, speaker_name: str | None) -> _SecondInUse:
    """Return the second judges of the process that calls this, which loads them."""
    names: dict[str, str] = {}
    languages: tuple[str, ...] = ()
    if asr_name:
        asr = _transcriber(asr_name)
        names |= {"asr": asr.name, "asr_version": asr.version}
        languages = tuple(asr.languages)
    if speaker_name:
        speaker = loaded_speaker_judge(speaker_name)
        names |= {"speaker": speaker.name, "speaker_version": speaker.version}
    return _SecondInUse(SecondJudges(**names), languages)


def _unheard_note(used: _SecondInUse, heard: Sequence[ScoredAudio]) -> str:
    """Return which speech the ASR judge is not asked about, empty where it knows every language."""
    unknown = [row.language for row, _ in heard if row.language not in used.languages]
    if not used.judges.asr or not unknown:
        return ""
    return (
        f"not measured: {used.judges.asr} does not know the language of {len(unknown)} of {len(heard)} utterances "
        f"({', '.join(sorted(set(unknown)))})"
    )


def _listen(one: ScoredAudio, asr_name: str | None, speaker_name: str | None, languages: tuple[str, ...]) -> _Opinion:
    hypothesis, language = None, one.row.language
    if asr_name and language in languages:
        samples, sample_rate = load_audio(one.audio)
        heard = _transcriber(asr_name).transcribe(to_mono(samples), sample_rate, language)
        hypothesis = normalize_text(heard, language)
    return _Opinion(hypothesis, embed_file(one.audio, speaker_name) if speaker_name else None)


def _voice(paths: Sequence[Path], opinions: Sequence[_Opinion]) -> VoiceEmbeddings | None:
    """Return the held-out recordings as the second speaker judge hears them, None if it heard none.

    The judge has not heard the training clips, so the mean of these recordings stands for the voice.
    """
    embeddings = {
        path: opinion.embedding for path, opinion in zip(paths, opinions, strict=True) if opinion.embedding is not None
    }
    if not embeddings:
        return None
    return VoiceEmbeddings(np.mean(list(embeddings.values()), axis=0), embeddings)


def _with_opinion(row: UtteranceScore, audio: Path, opinion: _Opinion, voice: VoiceEmbeddings | None) -> UtteranceScore:
    heard = opinion.hypothesis
    mean = voice.held_out_mean(without=audio) if voice else None
    return row.model_copy(
        update={
            "second_hypothesis": heard,
            "second_word_errors": None if heard is None else word_errors(row.reference, heard).errors,
            "second_similarity": (
                None if opinion.embedding is None or mean is None else cosine(opinion.embedding, mean)
            ),
        }
    )


def _transcriber(name: str) -> Transcriber:
    return _load_transcriber(name, weights_stamp(name))


@lru_cache(maxsize=1)
def _load_transcriber(name: str, stamp: tuple[tuple[str, int, int], ...]) -> Transcriber:
    return load_transcriber(name, judge_weights(name))
