"""Second opinions on real recordings: who is asked about what, and what the rows then say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from release_helpers import utterance

from metrics.judges.asr import load_transcriber
from metrics.judges.speaker import load_speaker_judge
from metrics.normalize import normalize_text
from metrics.scores import SecondJudges
from stages.evaluation.scoring import Utterance
from stages.evaluation.second_opinions import ScoredAudio, ask_second_judges, scored, scored_prompts
from stages.execution.parallel import worker_processes
from stages.params import load_params
from stages.sections.evaluation import Evaluate

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data/1_recordings/sample"
SPHINX, SPEAKER = load_transcriber("pocketsphinx"), load_speaker_judge("ecapa_small")


def settings(**changes: str | None) -> Evaluate:
    judges = {"second_asr": None, "second_speaker": None}
    return load_params(ROOT / "params.yaml").evaluate.model_copy(update=judges | changes)


def speech(number: int, seed: int = 0, language: str = "en") -> ScoredAudio:
    """A recording of the sample voice as a scored utterance."""
    name, _, text = (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines()[number].split("|")
    reference = normalize_text(text)
    row = utterance(number, seed, language=language, reference=reference, n_words=len(reference.split()))
    return ScoredAudio(row, SAMPLE / "wavs" / f"{name}.flac")


PROMPTS = [speech(0), speech(0, seed=1), speech(1), speech(1, seed=1)]
HELD_OUT = [speech(2), speech(3)]


def test_the_first_seed_and_the_recordings_are_heard() -> None:
    judges, rows, held_out = ask_second_judges(settings(second_asr="pocketsphinx"), PROMPTS, HELD_OUT, map)
    assert judges == SecondJudges(asr=SPHINX.name, asr_version=SPHINX.version, seed=0)
    assert [row.second_hypothesis is not None for row in (*rows, *held_out)] == [True, False, True, False, True, True]
    assert all(row.second_similarity is None for row in (*rows, *held_out))
    for row in (rows[0], *held_out):
        assert row.second_word_errors <= row.n_words / 3
        assert set(row.reference.split()) & set(row.second_hypothesis.split())


def test_nothing_else_in_the_rows_changes() -> None:
    opinions = ask_second_judges(settings(second_asr="pocketsphinx"), PROMPTS[:2], HELD_OUT[:1], map)
    second = {"second_hypothesis", "second_word_errors", "second_similarity"}
    for one, row in zip([*PROMPTS[:2], *HELD_OUT[:1]], [*opinions.rows, *opinions.held_out], strict=True):
        assert row.model_dump(exclude=second) == one.row.model_dump(exclude=second)


def test_without_second_judges_no_file_is_opened() -> None:
    missing = [ScoredAudio(one.row, Path("missing.flac")) for one in PROMPTS]
    opinions = ask_second_judges(settings(), missing, [], map)
    assert opinions == (SecondJudges(), [one.row for one in PROMPTS], [])


def test_a_language_that_the_judge_does_not_know_is_left_out_and_the_note_says_so() -> None:
    japanese = speech(0, language="ja")
    judges, rows, held_out = ask_second_judges(
        settings(second_asr="pocketsphinx"), [japanese, speech(1)], HELD_OUT[:1], map
    )
    assert rows[0] == japanese.row
    assert rows[1].second_hypothesis and held_out[0].second_hypothesis
    assert judges.note == "not measured: pocketsphinx does not know the language of 1 of 3 utterances (ja)"


def test_a_second_speaker_judge_compares_with_the_other_recordings() -> None:
    judges, rows, held_out = ask_second_judges(settings(second_speaker="ecapa_small"), PROMPTS[:1], HELD_OUT, map)
    assert (judges.speaker, judges.speaker_version, judges.asr) == ("ecapa_small", SPEAKER.version, "")
    assert rows[0].second_hypothesis is None
    assert 0.6 < rows[0].second_similarity < 1
    # each of the two recordings is compared with the other one
    assert held_out[0].second_similarity == pytest.approx(held_out[1].second_similarity, abs=1e-6)


def test_speech_of_nobody_has_no_second_similarity(tmp_path: Path) -> None:
    from gpt_sovits.audio import save_flac

    save_flac(tmp_path / "silent.flac", np.zeros(16_000, np.float32), 16_000)
    silent = ScoredAudio(PROMPTS[0].row, tmp_path / "silent.flac")
    both = settings(second_asr="pocketsphinx", second_speaker="ecapa_small")
    (row,) = ask_second_judges(both, [silent], HELD_OUT, map).rows
    assert (row.second_hypothesis, row.second_word_errors, row.second_similarity) == ("", row.n_words, None)


def test_the_opinions_are_the_same_from_two_processes() -> None:
    both = settings(second_asr="pocketsphinx", second_speaker="ecapa_small")
    with worker_processes(2) as workers:
        assert ask_second_judges(both, PROMPTS[:1], HELD_OUT, workers) == ask_second_judges(
            both, PROMPTS[:1], HELD_OUT, map
        )


def test_rows_are_joined_with_their_audio(tmp_path: Path) -> None:
    row = PROMPTS[0].row
    (prompt,) = scored_prompts([row], tmp_path)
    assert prompt == (row, tmp_path / row.audio)
    real = Utterance("clip", "held_out", 0, "text", audio=tmp_path / "a.flac", relative_path="", expected_seconds=1.0)
    assert scored([row], [real]) == [(row, real.audio)]
    with pytest.raises(ValueError, match="longer"):
        scored([row], [real, replace(real)])
