"""The comparison of two ASR judges on a scorecard: rates, correlation and the prompts on which they differ."""

from __future__ import annotations

from pathlib import Path

from release_helpers import JUDGES, PAIR

from benchmarks.two_judges import correlation, errors_by_prompt, main, report
from metrics.scores import Scorecard, SecondJudges, Similarities, UtteranceScore

FIRST = {"a": (0, 1), "b": (2, 2), "c": (5, 6), "d": (1, 0)}
SECOND = {"a": (1, 1), "b": (3, 4), "c": (6, 8), "d": (10, 10)}
ERRORS = [SECOND[prompt][seed] for prompt in SECOND for seed in (0, 1)]


def row(prompt_id: str, seed: int, second: int | None = None) -> UtteranceScore:
    return UtteranceScore(
        prompt_id=prompt_id,
        category="everyday",
        language="en",
        seed=seed,
        reference=f"the text of {prompt_id}",
        hypothesis="",
        word_errors=FIRST[prompt_id][seed],
        n_words=10,
        char_errors=0,
        n_chars=40,
        similarity=None,
        similarity_held_out=None,
        seconds=3.0,
        duration_ratio=1.0,
        silence_share=0.0,
        clipped_share=0.0,
        pitch_range_semitones=None,
        second_hypothesis=None if second is None else "",
        second_word_errors=second,
        audio="",
        audio_sha256="",
    )


def rows(has_second: bool) -> tuple[UtteranceScore, ...]:
    return tuple(row(prompt, seed, SECOND[prompt][seed] if has_second else None) for prompt in FIRST for seed in (0, 1))


def write_card(folder: Path, has_second: bool) -> Path:
    card = Scorecard(
        voice="sample",
        language="en",
        pair=PAIR,
        judges=JUDGES,
        prompts_sha256="0" * 64,
        seeds=(0, 1),
        rows=rows(has_second),
        held_out=(),
        similarity_floor=Similarities(similarity=None, similarity_held_out=None, n=0),
        second_judges=SecondJudges(asr="second" if has_second else ""),
    )
    path = folder / "scorecard.json"
    path.write_text(card.model_dump_json(), encoding="utf-8")
    return path


def test_errors_are_pooled_over_the_seeds_of_a_prompt():
    found = {one.prompt_id: one.rates for one in errors_by_prompt(rows(True), ERRORS)}
    assert found == {"a": (0.05, 0.1), "b": (0.2, 0.35), "c": (0.55, 0.7), "d": (0.05, 1.0)}


def test_judges_that_agree_are_correlated_and_one_prompt_on_which_they_differ_lowers_that():
    without = [one for one in errors_by_prompt(rows(True), ERRORS) if one.prompt_id != "d"]
    assert correlation(without, "Pearson")[0] > 0.99
    value, low, high = correlation(errors_by_prompt(rows(True), ERRORS), "Spearman")
    assert -1 <= low <= value <= high <= 1
    assert value < 0.5


def test_the_report_shows_both_rates_and_the_most_disagreeing_prompt_first():
    lines = report(rows(True), ERRORS, ("one", "two")).splitlines()
    assert "| one | 0.212 |" in lines
    assert "| two | 0.537 |" in lines
    assert lines[lines.index("| prompt | text | one | two |") + 2] == "| d | the text of d | 0.05 | 1.00 |"


def test_a_judge_that_hears_everything_alike_has_no_correlation():
    value, _, _ = correlation(errors_by_prompt(rows(True), [1] * 8), "Pearson")
    assert value != value


def test_a_scorecard_with_second_opinions_is_reported(tmp_path, capsys):
    assert main([str(write_card(tmp_path, has_second=True))]) == 0
    assert "| second | 0.537 |" in capsys.readouterr().out


def test_a_scorecard_without_second_opinions_says_what_to_do(tmp_path, capsys):
    assert main([str(write_card(tmp_path, has_second=False))]) == 2
    assert "set evaluate.second_asr" in capsys.readouterr().err
