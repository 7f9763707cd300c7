"""Utterances under the judges: audio files in, one score row per utterance out, spread over processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.errors import NoOtherSpeakersError
from metrics.failures import FOREIGN_WER, speech_failures
from metrics.judges.asr import load_transcriber
from metrics.judges.mos import MosJudge, load_mos_judge
from metrics.judges.other_speakers.table import load_other_speakers
from metrics.judges.speaker import SpeakerJudge, cosine, load_speaker_judge
from metrics.judges.transcriber import Transcriber
from metrics.normalize import normalize_text, normalizer_of, remove_unit_spaces
from metrics.scores import Judges, Similarities, UtteranceScore
from metrics.sound import measure_sound
from metrics.wer import character_errors, word_errors
from stages.execution.parallel import Map
from stages.execution.progress import report_progress
from stages.profiles import Profile, judge_weights, weights_stamp


@dataclass(frozen=True)
class Utterance:
    """One piece of speech to score: a recording, or one synthesis of a prompt with a seed."""

    prompt_id: str
    category: str
    seed: int
    text: str  # what should be said
    audio: Path
    relative_path: str  # of the audio in the score folder, for the row; empty where it is not kept there
    expected_seconds: float  # for the text at the voice's pace
    reference_clip_text: str = ""  # transcript of the reference clip, which must not leak into the speech


@dataclass(frozen=True, eq=False)
class VoiceEmbeddings:
    """The voice as a speaker judge hears it.

    Invariant: a recording is never compared with itself, see `held_out_mean`.

    Attributes:
        centroid: (D,) float32 of unit norm: mean embedding of the training clips, the voice's reference.
        held_out: (D,) embedding of each held-out recording, by its file.
    """

    centroid: np.ndarray
    held_out: Mapping[Path, np.ndarray]

    def held_out_mean(self, without: Path) -> np.ndarray | None:
        """Return the mean direction of the held-out recordings other than `without`.

        Returns:
            (D,) float64 of unit norm, or None if no other recording exists.
        """
        others = [embedding for path, embedding in sorted(self.held_out.items()) if path != without]
        if not others:
            return None
        mean = np.mean(others, axis=0, dtype=np.float64)
        return mean / np.linalg.norm(mean)


@dataclass(frozen=True, eq=False)
class ScoringContext:
    """What all utterances of a voice are scored with.

    Attributes:
        voice: embeddings that similarity is measured against.
        profile: names the ASR judge and the speaker judge.
        language: ISO 639 code of every text.
        mos: name of the MOS judge (metrics/judges/mos.py), None for none.
    """

    voice: VoiceEmbeddings
    profile: Profile
    language: str
    mos: str | None = None


def embed_voice(centroid: np.ndarray, held_out: Sequence[Utterance], profile: Profile, workers: Map) -> VoiceEmbeddings:
    """Embed the held-out recordings with the speaker judge of the profile.

    Recordings in which the judge cannot hear a speaker are left out.

    Args:
        centroid: (D,) float32 of unit norm: mean embedding of the training clips.
        held_out: the recordings.
        profile: names the speaker judge.
        workers: runs the judge, see stages/execution/parallel.py.
    """
    paths = [utterance.audio for utterance in held_out]
    embeddings = list(workers(partial(embed_file, speaker_name=profile.speaker), paths))
    return VoiceEmbeddings(
        centroid, {path: one for path, one in zip(paths, embeddings, strict=True) if one is not None}
    )


def round_embedding(centroid: np.ndarray) -> tuple[float, ...]:
    """Return an embedding (D,) as the scorecard keeps it, with six decimals."""
    return tuple(round(float(value), 6) for value in centroid)


def similarity_floor(voice: VoiceEmbeddings, judges: Judges) -> Similarities:
    """Return the mean cosines of other speakers to the voice.

    Without a table of other speakers for this judge and version, the figures are null and the note says why.
    """
    try:
        others = load_other_speakers(judges.speaker, judges.speaker_version)
    except NoOtherSpeakersError as error:
        return Similarities(similarity=None, similarity_held_out=None, n=0, note=str(error))
    mean = voice.held_out_mean(without=Path())
    return Similarities(
        similarity=float(others.cosines(voice.centroid).mean()),
        similarity_held_out=None if mean is None else float(others.cosines(mean).mean()),
        n=len(others.speakers),
        note=others.source if mean is not None else f"{others.source}; the voice has no held-out recordings",
    )


def judges_of(profile: Profile, language: str) -> Judges:
    """Return the names and versions of a profile's judges and of the language's normaliser."""
    asr, speaker = _judges(profile.asr, profile.speaker)
    normalizer = normalizer_of(language)
    return Judges(
        asr=asr.name,
        asr_version=asr.version,
        speaker=speaker.name,
        speaker_version=speaker.version,
        normalizer=normalizer.name,
        normalizer_version=normalizer.version,
    )


class JudgesInUse(NamedTuple):
    """The judges that a process scores with.

    Attributes:
        judges: for the scorecard.
        mos: name and version of the MOS judge, empty for none.
    """

    judges: Judges
    mos: str


def judges_in_use(profile: Profile, language: str, mos: str | None) -> JudgesInUse:
    """Return the judges of the process that calls this, which loads them.

    Args:
        profile: names the ASR judge and the speaker judge.
        language: ISO 639 code of the voice.
        mos: name of the MOS judge, None for none.
    """
    return JudgesInUse(judges_of(profile, language), mos_judge_version(mos))


def mos_judge_version(mos: str | None) -> str:
    """Return the name and version of a MOS judge for the scorecard, or an empty text for None."""
    return f"{mos} {_mos_judge(mos).version}" if mos else ""


def score_utterances(
    utterances: Iterable[Utterance], context: ScoringContext, workers: Map, n_utterances: int | None = None
) -> list[UtteranceScore]:
    """Score utterances, one row each and in their order. The rows do not depend on the number of workers.

    Args:
        utterances: what to score. The workers start with the first that comes.
        context: the judges and the voice.
        workers: runs the judges, see stages/execution/parallel.py.
        n_utterances: how many there are, required where `utterances` has no length.
    """
    n_utterances = len(utterances) if n_utterances is None else n_utterances
    rows = workers(partial(_score_utterance, context=context), utterances)
    return list(report_progress(rows, n_utterances, "scored {} utterances"))


def _score_utterance(utterance: Utterance, context: ScoringContext) -> UtteranceScore:
    language = context.language
    asr, speaker = _judges(context.profile.asr, context.profile.speaker)
    samples, sample_rate = load_audio(utterance.audio)
    waveform = to_mono(samples)
    reference = normalize_text(utterance.text, language)
    hypothesis = normalize_text(asr.transcribe(waveform, sample_rate, language), language)
    words = word_errors(reference, hypothesis)
    characters = character_errors(*(remove_unit_spaces(text, language) for text in (reference, hypothesis)))
    # only where the text was hardly heard, because it costs as much as transcribing
    spoken_language = asr.spoken_language(waveform, sample_rate) if words.rate >= FOREIGN_WER else None
    seconds, sound = len(waveform) / sample_rate, measure_sound(waveform, sample_rate)
    embedding = _embed(speaker, waveform, sample_rate)
    held_out = context.voice.held_out_mean(without=utterance.audio)
    clip_text = normalize_text(utterance.reference_clip_text, language) if utterance.reference_clip_text else ""
    return UtteranceScore(
        prompt_id=utterance.prompt_id,
        category=utterance.category,
        language=language,
        seed=utterance.seed,
        reference=reference,
        hypothesis=hypothesis,
        word_errors=words.errors,
        n_words=words.n_reference,
        char_errors=characters.errors,
        n_chars=characters.n_reference,
        similarity=None if embedding is None else cosine(embedding, context.voice.centroid),
        similarity_held_out=None if embedding is None or held_out is None else cosine(embedding, held_out),
        mos=_mos_judge(context.mos).predict(waveform, sample_rate) if context.mos else None,
        seconds=seconds,
        duration_ratio=seconds / utterance.expected_seconds,
        silence_share=sound.silence_share,
        clipped_share=sound.clipped_share,
        pitch_range_semitones=sound.pitch_range_semitones,
        failures=speech_failures(
            reference,
            hypothesis,
            seconds,
            utterance.expected_seconds,
            sound,
            language=language,
            reference_clip_text=clip_text,
            spoken_language=spoken_language,
        ),
        audio=utterance.relative_path,
        audio_sha256=hashlib.sha256(utterance.audio.read_bytes()).hexdigest(),
    )


def embed_file(audio: Path, speaker_name: str) -> np.ndarray | None:
    """Return the (D,) embedding of an audio file, or None where the speaker judge hears no speaker."""
    samples, sample_rate = load_audio(audio)
    return _embed(loaded_speaker_judge(speaker_name), to_mono(samples), sample_rate)


def _embed(speaker: SpeakerJudge, waveform: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """Return None for silence or for too little speech to hear a speaker, which no threshold accepts."""
    try:
        with _one_thread():
            return speaker.embed(waveform, sample_rate)
    except ValueError:
        return None


def loaded_speaker_judge(name: str) -> SpeakerJudge:
    """Return a speaker judge, which a process loads once, and again where its weights were replaced."""
    return _load_speaker_judge(name, weights_stamp(name))


def _judges(asr_name: str, speaker_name: str) -> tuple[Transcriber, SpeakerJudge]:
    return _load_transcriber(asr_name, weights_stamp(asr_name)), loaded_speaker_judge(speaker_name)


@lru_cache(maxsize=1)
def _load_transcriber(name: str, stamp: tuple[tuple[str, int, int], ...]) -> Transcriber:
    return load_transcriber(name, judge_weights(name))


@lru_cache(maxsize=1)
def _load_speaker_judge(name: str, stamp: tuple[tuple[str, int, int], ...]) -> SpeakerJudge:
    return load_speaker_judge(name, judge_weights(name))


@lru_cache(maxsize=1)
def _mos_judge(name: str) -> MosJudge:
    return load_mos_judge(name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread, because sums depend on the number of threads and processes may differ in it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
