"""Hear a spoken statement of consent: its words, and how much its speaker sounds like the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import cosine, load_speaker_judge
from stages.profiles import PROFILES, judge_weights
from stages.recordings.decoding import open_audio

MAX_RECORDINGS = 12  # compared with, spread over all
SECONDS = 10.0  # heard of each, from its start
MAX_STATEMENT_SECONDS = 60.0


class HeardStatement(NamedTuple):
    """What the judges heard.

    Attributes:
        words: By the speech recogniser.
        seconds: Length of the statement.
        similarity: Cosine of the statement's speaker embedding to the centre of the recordings, -1 to 1.
    """

    words: str
    seconds: float
    similarity: float


def hear_statement(statement: Path, recordings: Sequence[Path], *, language: str, profile_name: str) -> HeardStatement:
    """Return what a statement says, and whether it sounds like the recordings.

    Args:
        statement: An audio file of at most MAX_STATEMENT_SECONDS, in any format that ingest reads.
        recordings: The voice's recordings, at least one.
        language: ISO 639 code of the statement.
        profile_name: A key of PROFILES, which names the judges.

    Raises:
        AudioError: The statement cannot be decoded.
        ValueError: Nobody can be heard in the statement or in the recordings, or the statement is too long.
    """
    profile = PROFILES[profile_name]
    waveform, sample_rate = _read_start(statement, MAX_STATEMENT_SECONDS + 1)
    seconds = len(waveform) / sample_rate
    if seconds > MAX_STATEMENT_SECONDS:
        raise ValueError(f"{statement} is longer than {MAX_STATEMENT_SECONDS:.0f} s; record the statement alone")
    judge = load_speaker_judge(profile.speaker, judge_weights(profile.speaker))
    step = max(1, len(recordings) // MAX_RECORDINGS)
    embeddings = []
    for path in recordings[::step][:MAX_RECORDINGS]:
        try:
            embeddings.append(judge.embed(*_read_start(path, SECONDS)))
        except ValueError:  # it cannot be decoded, or no speaker can be heard in it
            continue
    if not embeddings:
        raise ValueError(f"nobody can be heard in the recordings, of which the first is {recordings[0]}")
    centre = np.mean(embeddings, axis=0)
    try:
        own = judge.embed(waveform, sample_rate)
    except ValueError as error:
        raise ValueError(f"nobody can be heard in {statement}: {error}") from error
    similarity = cosine((centre / np.linalg.norm(centre)).astype(np.float32), own)
    transcriber = load_transcriber(profile.asr, judge_weights(profile.asr))
    return HeardStatement(transcriber.transcribe(waveform, sample_rate, language), seconds, similarity)


def _read_start(path: Path, seconds: float) -> tuple[np.ndarray, int]:
    """Return the first seconds of a recording as (n,) float32, mono, and its sample rate in Hz."""
    blocks, n_samples = [], 0
    with open_audio(path) as stream:
        for block in stream.blocks:
            blocks.append(block.mean(axis=1, dtype=np.float32))
            n_samples += len(block)
            if n_samples >= seconds * stream.sample_rate:
                break
        return np.concatenate(blocks)[: round(seconds * stream.sample_rate)], stream.sample_rate
