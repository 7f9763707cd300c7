"""Scores of real audio files, which are the same from one process or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.nonspeech import nonspeech_clips
from gpt_sovits.audio import save_flac
from metrics.errors import NoOtherSpeakersError
from metrics.scores import UtteranceScore
from stages.evaluation.scoring import (
    ScoringContext,
    Utterance,
    VoiceEmbeddings,
    embed_voice,
    judges_of,
    mos_judge_version,
    score_utterances,
    similarity_floor,
)
from stages.execution.parallel import worker_processes
from stages.execution.tasks import WorkError
from stages.profiles import PROFILES

SAMPLE = Path(__file__).resolve().parents[3] / "data/1_recordings/sample"
STARTER = PROFILES["starter"]
SECONDS_PER_WORD = 0.36


def recordings(n: int) -> list[Utterance]:
    rows = [line.split("|") for line in (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines()[:n]]
    return [
        Utterance(
            prompt_id=name,
            category="held_out",
            seed=0,
            text=text,
            audio=SAMPLE / "wavs" / f"{name}.flac",
            relative_path="",
            expected_seconds=len(text.split()) * SECONDS_PER_WORD,
        )
        for name, _, text in rows
    ]


def context(voice: VoiceEmbeddings, language: str = "en", mos: str | None = None) -> ScoringContext:
    return ScoringContext(voice, STARTER, language, mos)


def with_waveform(utterance: Utterance, path: Path, waveform: np.ndarray) -> Utterance:
    save_flac(path, waveform, 16_000)
    return Utterance(
        **{**vars(utterance), "audio": path, "relative_path": f"audio/{path.name}", "category": "everyday"}
    )


@pytest.fixture(scope="module")
def voice() -> VoiceEmbeddings:
    held_out = embed_voice(np.zeros(128, np.float32), recordings(4), STARTER, map).held_out
    mean = np.mean(list(held_out.values()), axis=0)
    return VoiceEmbeddings((mean / np.linalg.norm(mean)).astype(np.float32), held_out)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Three recordings, and the first of them as silence and with 0.8 s of hum."""
    folder = tmp_path_factory.mktemp("audio")
    real = recordings(3)
    speech, _ = soundfile.read(real[0].audio, dtype="float32")
    hum = 0.1 * np.sign(np.sin(2 * np.pi * 100 * np.arange(12_800) / 16_000)).astype(np.float32)
    return [
        *real,
        with_waveform(real[0], folder / "silent.flac", np.zeros_like(speech)),
        with_waveform(real[0], folder / "hum.flac", np.concatenate([speech, hum])),
    ]


@pytest.fixture(scope="module")
def rows(utterances: list[Utterance], voice: VoiceEmbeddings) -> list[UtteranceScore]:
    return score_utterances(utterances, context(voice), map)


def test_the_rows_are_the_same_from_two_processes(
    rows: list[UtteranceScore], utterances: list[Utterance], voice: VoiceEmbeddings
) -> None:
    with worker_processes(2) as workers:
        assert score_utterances(utterances[1:4], context(voice), workers) == rows[1:4]


def test_good_speech_has_every_figure_and_no_failure(rows: list[UtteranceScore]) -> None:
    for row in rows[:3]:
        assert row.failures == ()
        assert row.language == "en"
        assert row.similarity > 0.7
        assert 0.02 < row.silence_share < 0.3
        assert 2 < row.pitch_range_semitones < 15
        assert row.clipped_share == 0
        assert row.mos is None


def test_damaged_speech_is_named(rows: list[UtteranceScore]) -> None:
    silent, hum = rows[3:]
    assert silent.failures == ("empty",)
    assert (silent.similarity, silent.similarity_held_out, silent.pitch_range_semitones) == (None, None, None)
    assert silent.silence_share == 1
    assert "noise" in hum.failures


# Breath and syllables rise and fall like speech. Only the judge can tell that nobody speaks.
UNSTEADY = {"silence", "breath", "syllabic_noise"}


def test_an_utterance_in_which_nobody_speaks_is_a_named_failure(voice: VoiceEmbeddings, tmp_path: Path) -> None:
    clips = [clip for clip in nonspeech_clips() if clip.name.endswith(" 2 s")]
    speech = recordings(1)[0]
    silent = [with_waveform(speech, tmp_path / f"{n}.flac", clip.waveform) for n, clip in enumerate(clips)]
    found = {clip.name: row for clip, row in zip(clips, score_utterances(silent, context(voice), map), strict=True)}
    assert len(found) > 60
    assert {name: row.hypothesis for name, row in found.items() if row.hypothesis} == {}
    assert all("empty" in row.failures and row.word_errors == row.n_words for row in found.values())
    for name, row in found.items():
        assert "noise" in row.failures or name.split()[0] in UNSTEADY, name


def test_a_recording_is_not_compared_with_itself(rows: list[UtteranceScore], voice: VoiceEmbeddings) -> None:
    own = recordings(1)[0].audio
    everything = np.mean(list(voice.held_out.values()), axis=0)
    with_itself = float(voice.held_out[own] @ everything / np.linalg.norm(everything))
    others = np.mean([e for path, e in voice.held_out.items() if path != own], axis=0)
    assert rows[0].similarity_held_out == pytest.approx(voice.held_out[own] @ others / np.linalg.norm(others), abs=1e-6)
    assert rows[0].similarity_held_out < with_itself


def test_a_copy_of_a_recording_is_compared_with_the_original(voice: VoiceEmbeddings, tmp_path: Path) -> None:
    real = recordings(1)[0]
    copy = with_waveform(real, tmp_path / "copy.flac", soundfile.read(real.audio, dtype="float32")[0])
    alone, copied = score_utterances([real, copy], context(voice), map)
    assert copied.similarity_held_out > alone.similarity_held_out


def test_a_single_recording_has_no_similarity_to_held_out_recordings(voice: VoiceEmbeddings) -> None:
    (only,) = recordings(1)
    lone = VoiceEmbeddings(voice.centroid, {only.audio: voice.held_out[only.audio]})
    (row,) = score_utterances([only], context(lone), map)
    assert row.similarity is not None
    assert row.similarity_held_out is None


def test_the_floor_is_far_below_the_voice(voice: VoiceEmbeddings, rows: list[UtteranceScore]) -> None:
    floor = similarity_floor(voice, judges_of(STARTER, "en"))
    assert floor.n == 26
    assert "LibriSpeech" in floor.note
    for name in ("similarity", "similarity_held_out"):
        assert -0.5 < getattr(floor, name) < 0.4 < min(getattr(row, name) for row in rows[:3])


def test_without_held_out_recordings_the_floor_says_so(voice: VoiceEmbeddings) -> None:
    floor = similarity_floor(VoiceEmbeddings(voice.centroid, {}), judges_of(STARTER, "en"))
    assert floor.similarity is not None
    assert floor.similarity_held_out is None
    assert "no held-out recordings" in floor.note


def test_without_a_table_of_other_speakers_there_is_no_floor_but_a_reason(
    voice: VoiceEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table(*_: str) -> None:
        raise NoOtherSpeakersError("no table")

    monkeypatch.setattr("stages.evaluation.scoring.load_other_speakers", no_table)
    floor = similarity_floor(voice, judges_of(STARTER, "en"))
    assert (floor.similarity, floor.similarity_held_out, floor.n, floor.note) == (None, None, 0, "no table")


def test_another_version_of_the_judge_gives_no_floor(voice: VoiceEmbeddings) -> None:
    judges = judges_of(STARTER, "en").model_copy(update={"speaker_version": "2"})
    floor = similarity_floor(voice, judges)
    assert floor.similarity is None
    assert "make the table again" in floor.note


def test_the_mos_judge_scores_where_the_context_names_it(voice: VoiceEmbeddings) -> None:
    pytest.importorskip("speechmos", reason="the MOS predictor is not installed: pip install 'voxfoundry[mos]'")
    (row,) = score_utterances(recordings(1), context(voice, mos="dnsmos"), map)
    assert 2 < row.mos <= 5
    assert mos_judge_version("dnsmos").startswith("dnsmos 0.0.1.1 ")
    assert mos_judge_version(None) == ""


def test_a_language_that_the_judge_cannot_hear_is_refused(voice: VoiceEmbeddings) -> None:
    with pytest.raises(ValueError, match=r"'xx'"):
        score_utterances(recordings(1), context(voice, language="xx"), map)


def test_an_utterance_that_cannot_be_scored_is_named(voice: VoiceEmbeddings) -> None:
    (speech,) = recordings(1)
    silent = Utterance(**{**vars(speech), "text": "Mm-hmm."})
    with worker_processes(1) as workers, pytest.raises(WorkError, match=rf"{speech.audio.name}: .*empty"):
        score_utterances([silent], context(voice), workers)
