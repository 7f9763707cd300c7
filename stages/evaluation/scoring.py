"""Utterances under the judges: audio files in, one score row each out, spread over processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from gpt_sovits.audio import load_audio, to_mono
from metrics.failures import FOREIGN_WER, speech_failures
from metrics.judges.asr import Transcriber, load_transcriber
from metrics.judges.mos import MosJudge, load_mos_judge
from metrics.judges.other_speakers import NoOtherSpeakersError, load_other_speakers
from metrics.judges.speaker import SpeakerJudge, cosine, load_speaker_judge
from metrics.normalize import normalize_text, normalizer_of, without_unit_spaces
from metrics.scores import Judges, Similarities, UtteranceScore
from metrics.sound import measure_sound
from metrics.wer import character_errors, word_errors
from stages.profiles import Profile, judge_weights
from stages.running.parallel import Map
from stages.running.progress import counted


@dataclass(frozen=True)
class Utterance:
    """What is to be judged."""

    prompt_id: str
    category: str
    seed: int
    text: str  # what was to be said
    audio: Path
    shown_as: str  # the path that goes into the row
    expected_seconds: float
    prompt_text: str = ""  # what the reference clip says: it must not leak into the speech


@dataclass(frozen=True, eq=False)
class KnownVoice:
    """What the judge of similarity knows of the voice.

    centroid: (D,) float32, unit norm: mean embedding of the training clips, the voice's reference
    held_out: embedding (D,) of each held-out recording by its file; a recording is never compared with itself
    """

    centroid: np.ndarray
    held_out: Mapping[Path, np.ndarray]

    def held_out_mean(self, without: Path) -> np.ndarray | None:
        """(D,) float64 of unit norm; None where there is no held-out recording but `without`."""
        others = [embedding for path, embedding in sorted(self.held_out.items()) if path != without]
        if not others:
            return None
        mean = np.mean(others, axis=0, dtype=np.float64)
        return mean / np.linalg.norm(mean)


def know_voice(centroid: np.ndarray, held_out: Sequence[Utterance], profile: Profile, workers: Map) -> KnownVoice:
    """The voice as the profile's judge of similarity hears it. Recordings in which it hears nobody are left out."""
    paths = [utterance.audio for utterance in held_out]
    heard = list(workers(partial(_embedding, speaker_name=profile.speaker), paths))
    return KnownVoice(centroid, {path: one for path, one in zip(paths, heard, strict=True) if one is not None})


def similarity_floor(voice: KnownVoice, judges: Judges) -> Similarities:
    """Mean cosines of other speakers to the voice; without figures, and with the reason, where this judge and version
    has heard no others."""
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
    """Names and versions of the judges that a profile picks, and of the normaliser of the language."""
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


def judge(
    utterances: Iterable[Utterance],
    voice: KnownVoice,
    profile: Profile,
    language: str,
    workers: Map,
    mos: str | None = None,
    n_utterances: int | None = None,
) -> list[UtteranceScore]:
    """One row an utterance, in their order, whatever the number of workers, who start with the first that comes.

    language: ISO 639 code of every text; mos: name of the MOS predictor (metrics/judges/mos.py), None for none
    n_utterances: how many will come, where that is not their length
    """
    n_utterances = len(utterances) if n_utterances is None else n_utterances
    one = partial(_judge_one, voice=voice, profile=profile, language=language, mos=mos)
    return list(counted(workers(one, utterances), n_utterances, "judged {} utterances"))


def mos_judge_of(mos: str | None) -> str:
    """Name and version of the MOS predictor, for the scorecard; empty for none."""
    return f"{mos} {_mos_judge(mos).version}" if mos else ""


def _judge_one(
    utterance: Utterance, voice: KnownVoice, profile: Profile, language: str, mos: str | None
) -> UtteranceScore:
    asr, speaker = _judges(profile.asr, profile.speaker)
    samples, sample_rate = load_audio(utterance.audio)
    waveform = to_mono(samples)
    reference = normalize_text(utterance.text, language)
    hypothesis = normalize_text(asr.transcribe(waveform, sample_rate, language), language)
    words = word_errors(reference, hypothesis)
    characters = character_errors(*(without_unit_spaces(text, language) for text in (reference, hypothesis)))
    # asked only where the text was hardly heard: it costs as much as transcribing
    heard_language = asr.spoken_language(waveform, sample_rate) if words.rate >= FOREIGN_WER else None
    seconds, sound = len(waveform) / sample_rate, measure_sound(waveform, sample_rate)
    embedding = _embed(speaker, waveform, sample_rate)
    held_out = voice.held_out_mean(without=utterance.audio)
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
        similarity=None if embedding is None else cosine(embedding, voice.centroid),
        similarity_held_out=None if embedding is None or held_out is None else cosine(embedding, held_out),
        mos=_mos_judge(mos).predict(waveform, sample_rate) if mos else None,
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
            normalize_text(utterance.prompt_text, language) if utterance.prompt_text else "",
            language=language,
            heard_language=heard_language,
        ),
        audio=utterance.shown_as,
        audio_sha256=hashlib.sha256(utterance.audio.read_bytes()).hexdigest(),
    )


def _embedding(audio: Path, speaker_name: str) -> np.ndarray | None:
    samples, sample_rate = load_audio(audio)
    return _embed(_speaker_judge(speaker_name), to_mono(samples), sample_rate)


def _embed(speaker: SpeakerJudge, waveform: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """None for silence or too little for a speaker to be heard: not measurable, which no bar accepts."""
    try:
        with _one_thread():
            return speaker.embed(waveform, sample_rate)
    except ValueError:
        return None


@lru_cache(maxsize=1)
def _judges(asr_name: str, speaker_name: str) -> tuple[Transcriber, SpeakerJudge]:
    """The judges of this process: loaded once."""
    return load_transcriber(asr_name, judge_weights(asr_name)), _speaker_judge(speaker_name)


@lru_cache(maxsize=1)
def _speaker_judge(name: str) -> SpeakerJudge:
    return load_speaker_judge(name, judge_weights(name))


@lru_cache(maxsize=1)
def _mos_judge(name: str) -> MosJudge:
    return load_mos_judge(name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on the number of threads: with one, a score does not depend on which process judged."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
