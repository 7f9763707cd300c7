"""The gate: pass, fail, inconclusive, and the many ways of not being measured."""

from __future__ import annotations

import math

import pytest
from release_helpers import JUDGES, held_out, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate import judge
from registry.gate.policy import GatePolicy
from registry.verdicts.verdict import CannotMeasure


def with_rows(card: Scorecard, change) -> Scorecard:
    """The scorecard with `change` applied to the list of its rows; nothing is checked, as in a file edited by hand."""
    rows = list(card.rows)
    change(rows)
    return card.model_copy(update={"rows": tuple(rows)})


def test_first_release_within_the_bars_passes_and_says_so():
    decision = judge(scorecard(), None, policy(), first_release=True)
    assert decision.outcome == "pass" and decision.first_release
    assert decision.reasons[-1] == "first release: only the absolute bars were asked for, nothing was compared"
    assert decision.comparisons == () and decision.champion_figures is None


def test_no_champion_and_no_first_release_asked_is_inconclusive():
    decision = judge(scorecard(), None, policy())
    assert decision.outcome == "inconclusive"
    assert "no champion to compare with" in decision.reasons[0]


def test_no_champion_and_a_missed_bar_fails():
    decision = judge(scorecard(wer=0.4), None, policy())
    assert decision.outcome == "fail"
    assert decision.reasons[0] == "wrong words: bar missed: wer 0.4000 errors per word, must be at most 0.3000"


def test_first_release_with_a_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="a first release was asked for, and there is a champion"):
        judge(scorecard(), scorecard(), policy(), first_release=True)


def test_figure_equal_to_the_bar_passes_and_just_beyond_fails():
    assert judge(scorecard(wer=0.3, similarity=0.5), None, policy(), first_release=True).outcome == "pass"
    beyond = with_rows(scorecard(wer=0.3), lambda rows: rows.__setitem__(0, utterance(0, 0, 4)))
    assert judge(beyond, None, policy(), first_release=True).outcome == "fail"
    assert judge(scorecard(similarity=0.4999), None, policy(), first_release=True).outcome == "fail"


def test_every_missed_bar_is_a_reason():
    card = with_rows(
        scorecard(wer=0.5, similarity=0.4),
        lambda rows: rows.__setitem__(slice(0, 4), [utterance(p, s, 5, 0.4, failures=("cut_off",)) for p, s in
                                                     ((0, 0), (0, 1), (1, 0), (1, 1))]),
    )  # fmt: skip
    card = card.model_copy(update={"held_out": tuple(held_out(similarity=0.5))})
    decision = judge(card, None, policy(), first_release=True)
    assert [reason.split("bar missed: ")[1].split()[0] for reason in decision.reasons[:3]] == [
        "failed_share", "similarity", "wer"
    ]  # fmt: skip
    assert decision.failures == {"cut_off": 4}


def test_equal_candidate_passes():
    decision = judge(scorecard(), scorecard(), policy())
    assert decision.outcome == "pass"
    assert [one.outcome for one in decision.comparisons] == ["not_worse", "not_worse"]
    assert decision.comparisons[0].difference == 0 and decision.comparisons[0].power == 1


def test_better_candidate_passes_and_worse_fails_though_within_the_bars():
    assert judge(scorecard(wer=0.1), scorecard(wer=0.2), policy()).outcome == "pass"
    decision = judge(scorecard(wer=0.2), scorecard(wer=0.1), policy())
    assert decision.outcome == "fail"
    assert decision.reasons[0].startswith(
        "wrong words: worse than the margin allows: wer 0.2000 against the champion's 0.1000"
    )


def test_voice_that_lost_its_likeness_fails():
    decision = judge(scorecard(similarity=0.7), scorecard(similarity=0.8), policy())
    assert decision.outcome == "fail"
    assert decision.comparisons[1].difference == pytest.approx(-0.1)


def test_better_champion_by_a_little_with_noise_is_inconclusive():
    # 20 prompts, one in five has two errors more: +0.02 on average, nothing that so few prompts could settle
    candidate = with_rows(
        scorecard(wer=0.1),
        lambda rows: rows.__setitem__(slice(None), [utterance(p, s, 2 if p % 5 == 0 else 1)
                                                    for p in range(20) for s in (0, 1)]),
    )  # fmt: skip
    decision = judge(candidate, scorecard(wer=0.1), policy())
    assert decision.outcome == "inconclusive"
    assert decision.reasons[0].startswith("not enough evidence: wer 0.1200 against the champion's 0.1000")
    assert 0 < decision.comparisons[0].power < 1


def test_wer_pools_words_so_that_long_prompts_weigh_more():
    def stretch(rows: list, errors: int) -> None:
        for seed in (0, 1):
            rows[seed] = utterance(0, seed, errors, n_words=100, reference="long " * 100)

    candidate = with_rows(scorecard(wer=0.0), lambda rows: stretch(rows, 29))
    decision = judge(candidate, None, policy(), first_release=True)
    assert decision.figures["wer"] == pytest.approx(58 / (200 + 19 * 20))


def test_same_scores_give_the_same_judgement():
    assert judge(scorecard(wer=0.1), scorecard(wer=0.2), policy()) == judge(
        scorecard(wer=0.1), scorecard(wer=0.2), policy()
    )


def test_silent_utterance_counts_as_all_words_wrong():
    silent = utterance(0, 0, 0, None, failures=("empty",), audio="", audio_sha256="", seconds=0.0)
    decision = judge(
        with_rows(scorecard(wer=0.0), lambda rows: rows.__setitem__(0, silent)), None, policy(), first_release=True
    )
    assert decision.figures["wer"] == pytest.approx(10 / 400)
    assert decision.figures["similarity"] == pytest.approx(0.8 * 39 / 40)
    assert decision.figures["failed_share"] == pytest.approx(1 / 40)


def drop(*indices: int):
    def change(rows: list) -> None:
        for index in sorted(indices, reverse=True):
            del rows[index]

    return change


def swap(index: int, **changes: object):
    def change(rows: list) -> None:
        rows[index] = rows[index].model_copy(update=changes)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop(3), "the candidate lacks rows for p001 seed 1"),
        (drop(0, 1), "the candidate lacks p000 seed 0, p000 seed 1"),
        (lambda rows: rows.append(rows[0]), "more than one row for p000 seed 0"),
        (lambda rows: rows.append(utterance(0, 7)), "rows of unknown seeds: p000 seed 7"),
        (swap(0, similarity=None), "no similarity and no named failure in p000 seed 0"),
        (swap(0, similarity=math.nan), "no similarity and no named failure in p000 seed 0"),
        (swap(0, audio=""), "no audio and no named failure in p000 seed 0"),
        (swap(0, audio_sha256=""), "no audio and no named failure"),
        (swap(0, seconds=0.0), "no audio and no named failure"),
        (swap(0, seconds=math.nan), "no audio and no named failure"),
        (swap(0, reference="other words"), "different reference texts in p000 seed 0"),
        (swap(0, n_words=11), "different reference texts in p000 seed 0"),
        (lambda rows: rows.clear(), "has 0 scored prompts and gate.min_prompts is 10"),
    ],
)
def test_incomplete_candidate_is_not_measured(change, message):
    with pytest.raises(CannotMeasure, match=message):
        judge(with_rows(scorecard(), change), scorecard(), policy())


def test_incomplete_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="the champion lacks rows for p001 seed 1"):
        judge(scorecard(), with_rows(scorecard(), drop(3)), policy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judges": JUDGES.model_copy(update={"asr": "whisper"})}, "judges: the candidate has .*pocketsphinx.*whisper"),
        ({"judges": JUDGES.model_copy(update={"normalizer_version": "2"})}, "judges: "),
        ({"prompts_sha256": "f" * 64}, "prompts_sha256: "),
        ({"seeds": (0, 2)}, "seeds: "),
        ({"voice": "bob"}, "voice: the candidate has anna, the champion bob"),
    ],
)
def test_scores_of_other_judges_prompts_seeds_or_voices_are_not_compared(changes, message):
    with pytest.raises(CannotMeasure, match=message):
        judge(scorecard(), scorecard(**changes), policy())


def test_every_fault_is_named_at_once():
    with pytest.raises(CannotMeasure) as raised:
        judge(with_rows(scorecard(), drop(0)), scorecard(prompts_sha256="f" * 64), policy(min_prompts=30))
    for part in ("gate.min_prompts is 30", "lacks rows for p000 seed 0", "prompts_sha256"):
        assert part in str(raised.value)


def test_too_few_prompts_are_not_measured_and_exactly_enough_are():
    judge(scorecard(n_prompts=10), None, policy(), first_release=True)
    with pytest.raises(CannotMeasure, match=r"has 9 scored prompts and gate\.min_prompts is 10"):
        judge(scorecard(n_prompts=9), None, policy(), first_release=True)


def test_prompt_that_both_lack_is_found_where_the_set_is_known():
    ids = [f"p{number:03d}" for number in range(21)]
    with pytest.raises(CannotMeasure, match="not scored on exactly the prompt set: p020"):
        judge(scorecard(), scorecard(), policy(), prompt_ids=ids)
    assert judge(scorecard(), scorecard(), policy(), prompt_ids=ids[:20]).outcome == "pass"


# bars about the recordings


RELATIVE = [
    {
        "metric": "similarity",
        "at_least": 0.9,
        "of": "recordings_share",
        "unit": "share of the recordings",
        "reason": "x",
    },
    {"metric": "wer", "at_most": 0.2, "of": "above_recordings", "unit": "errors per word", "reason": "x"},
]


def with_recordings(card: Scorecard, **changes: object) -> Scorecard:
    return card.model_copy(update={"held_out": tuple(held_out(**changes))})


@pytest.mark.parametrize(
    ("similarity", "wer", "outcome"),
    [(0.8, 0.3, "pass"), (0.72, 0.3, "pass"), (0.71, 0.3, "fail"), (0.8, 0.4, "fail")],
)
def test_bars_about_the_recordings_are_held_against_their_figures(similarity, wer, outcome):
    card = with_recordings(scorecard(wer=wer, similarity=similarity), similarity=0.8, word_errors=1)
    decision = judge(card, None, policy(bars=RELATIVE), first_release=True)
    assert decision.outcome == outcome
    assert [bar.recordings for bar in decision.bars] == pytest.approx([0.8, 0.1])
    assert [bar.value for bar in decision.bars] == pytest.approx([similarity / 0.8, wer - 0.1])
    assert decision.recordings_figures["wer"] == pytest.approx(0.1)


def test_bar_about_recordings_says_both_figures():
    card = with_recordings(scorecard(wer=0.4), similarity=0.8, word_errors=1)
    decision = judge(card, None, policy(bars=RELATIVE), first_release=True)
    assert "wer 0.4000 is +0.3000 from the recordings' 0.1000, must be at most 0.2000" in decision.reasons[0]


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ((), "no held-out recordings, and bars of the policy are about them"),
        (tuple(held_out(similarity=None)), "held-out recordings have no similarity: clip_0, clip_1, clip_2"),
        (tuple(held_out(similarity=-0.1)), "resemble their own voice by -0.100"),
    ],
)
def test_recordings_that_are_no_measure_are_not_measured(recordings, message):
    card = scorecard().model_copy(update={"held_out": recordings})
    with pytest.raises(CannotMeasure, match=message):
        judge(card, None, policy(bars=RELATIVE), first_release=True)
    assert judge(card, None, policy(), first_release=True).outcome == "pass"  # no bar asks for them


# slices


def sliced(**changes: object) -> GatePolicy:
    bar = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    return policy(slices=[{"by": "category", "min_prompts": 4, "bars": [bar]} | changes])


def with_categories(card: Scorecard, names: dict[int, str], word_errors: int) -> Scorecard:
    """The scorecard with the prompts of the given numbers in other categories and with other errors."""
    rows = [
        row.model_copy(update={"category": names[int(row.prompt_id[1:])], "word_errors": word_errors})
        if int(row.prompt_id[1:]) in names
        else row
        for row in card.rows
    ]
    return card.model_copy(update={"rows": tuple(rows)})


def test_slice_that_misses_its_bar_fails_though_the_whole_does_not():
    card = with_categories(scorecard(), dict.fromkeys(range(4), "names"), word_errors=6)
    decision = judge(card, None, sliced(), first_release=True)
    assert decision.outcome == "fail" and all(bar.holds for bar in decision.bars)
    assert decision.reasons[0] == (
        "slice category names: bar missed: wer 0.6000 in category names (4 prompts) errors per word, "
        "must be at most 0.5000"
    )
    assert decision.advice.startswith("Do not release it: slice category names. Listen first to p000, p001, p002")
    assert {bar.slice: bar.holds for bar in decision.slice_bars} == {
        "category everyday": True,
        "category names": False,
    }


def test_slice_with_too_few_prompts_says_that_it_was_not_judged():
    card = with_categories(scorecard(), dict.fromkeys(range(3), "names"), word_errors=10)
    decision = judge(card, None, sliced(), first_release=True)
    assert decision.outcome == "pass"
    assert "not judged: slice category names has 3 prompts, its bars want 4" in decision.reasons


def test_named_slice_with_too_few_prompts_is_not_measured():
    card = with_categories(scorecard(), dict.fromkeys(range(3), "names"), word_errors=1)
    with pytest.raises(CannotMeasure, match=r"slice category names has 3 prompts and gate\.slices wants 4"):
        judge(card, None, sliced(only="names"), first_release=True)


def test_slices_by_length_go_by_the_words_of_the_prompt():
    rows = [
        utterance(number, seed, n_words=n_words, reference="word " * n_words)
        for number, n_words in enumerate([5] * 4 + [6] * 4 + [15] * 4 + [16] * 4)
        for seed in (0, 1)
    ]
    decision = judge(scorecard(rows=rows), None, sliced(by="length"), first_release=True)
    assert {bar.slice: bar.n_prompts for bar in decision.slice_bars} == {
        "length short": 4,
        "length medium": 8,
        "length long": 4,
    }


def test_slices_by_language_go_by_the_language_of_the_prompt():
    rows = [
        row.model_copy(update={"language": "ja" if int(row.prompt_id[1:]) < 8 else "en"}) for row in scorecard().rows
    ]
    card = scorecard().model_copy(update={"rows": tuple(rows)})
    decision = judge(card, None, sliced(by="language"), first_release=True)
    assert {bar.slice: bar.n_prompts for bar in decision.slice_bars} == {"language en": 12, "language ja": 8}


# sentences that were lost


def guarded(**changes: object) -> GatePolicy:
    return policy(regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"} | changes)


SEEDS = (0, 1, 2)


def changed(card: Scorecard, prompt: int, seeds: tuple[int, ...] = SEEDS, **changes: object) -> Scorecard:
    rows = [
        row.model_copy(update=changes) if row.prompt_id == f"p{prompt:03d}" and row.seed in seeds else row
        for row in card.rows
    ]
    return card.model_copy(update={"rows": tuple(rows)})


def test_sentence_that_only_the_champion_says_fails_though_the_average_forgives_it():
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    decision = judge(changed(champion, 7, word_errors=7), champion, guarded())
    assert [one.outcome for one in decision.comparisons] == ["not_worse", "not_worse"]
    assert decision.outcome == "fail"
    assert decision.regressed_prompts.lost == ("p007",)
    assert (
        "guard broken: 1 prompt that the champion says and the candidate does not, 0 allowed (p007)"
        in (decision.reasons[0])
    )


@pytest.mark.parametrize(
    "change",
    [
        {"word_errors": 6},  # less than two words of three
        {"word_errors": 7, "seeds": (0, 1)},  # one seed says it
    ],
)
def test_sentence_half_lost_is_no_lost_sentence(change):
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    assert judge(changed(champion, 7, **change), champion, guarded()).regressed_prompts.lost == ()


def test_sentence_that_the_champion_does_not_say_either_is_no_lost_sentence():
    champion = changed(scorecard(n_prompts=200, seeds=SEEDS), 7, seeds=(0,), word_errors=3)
    assert judge(changed(champion, 7, word_errors=9), champion, guarded()).regressed_prompts.lost == ()


def test_lost_sentences_up_to_the_number_allowed_pass():
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    assert judge(changed(champion, 7, word_errors=7), champion, guarded(at_most=1)).outcome == "pass"


def test_lost_sentence_of_one_seed_is_inconclusive_and_a_silent_one_fails():
    champion = scorecard(n_prompts=100, seeds=(0,))
    decision = judge(changed(champion, 7, word_errors=9), champion, guarded())
    assert (decision.outcome, decision.regressed_prompts.outcome) == ("inconclusive", "unclear")
    assert "score with 3 seeds to tell lost sentences from bad draws" in decision.advice
    silent = judge(changed(champion, 7, word_errors=10, failures=("empty",)), champion, guarded())
    assert silent.outcome == "fail" and silent.reasons[0].startswith("silent (empty) in 1 prompt")


# only better ones


def superior(at_least: float = 0.01) -> GatePolicy:
    rule = {"metric": "wer", "at_least": at_least, "unit": "errors per word", "reason": "x"}
    return policy(superiority=rule)


def test_superiority_wants_a_gain_that_is_shown():
    assert judge(scorecard(wer=0.1), scorecard(wer=0.2), superior()).outcome == "pass"
    equal = judge(scorecard(wer=0.2), scorecard(wer=0.2), superior())
    assert equal.outcome == "fail"
    assert equal.reasons[0].startswith("not better as wanted: wer 0.2000 against the champion's 0.2000")


def test_gain_that_is_not_shown_is_inconclusive():
    candidate = with_rows(
        scorecard(wer=0.1),
        lambda rows: rows.__setitem__(slice(None), [utterance(p, s, 0 if p % 5 == 0 else 1)
                                                    for p in range(20) for s in (0, 1)]),
    )  # fmt: skip
    decision = judge(candidate, scorecard(wer=0.1), superior(at_least=0.015))
    assert decision.outcome == "inconclusive"
    assert [(one.rule, one.outcome) for one in decision.comparisons][-1] == ("superiority", "unclear")


# a margin that grows


def test_relative_margin_counts_where_it_is_the_larger():
    margins = [
        {"metric": "wer", "margin": 0.02, "relative": 0.25, "unit": "errors per word", "reason": "x"},
        {"metric": "similarity", "margin": 0.03, "unit": "cosine", "reason": "x"},
    ]
    rules = policy(non_inferiority=margins, bars=policy().bars[1:])
    assert judge(scorecard(wer=0.5), scorecard(wer=0.5), rules).comparisons[0].margin == pytest.approx(0.125)
    assert judge(scorecard(wer=0.0), scorecard(wer=0.0), rules).comparisons[0].margin == pytest.approx(0.02)
    assert judge(scorecard(wer=0.6), scorecard(wer=0.5), rules).outcome == "pass"
    assert judge(scorecard(wer=0.6), scorecard(wer=0.5), policy(bars=policy().bars[1:])).outcome == "fail"


def test_interval_holds_the_difference_and_worst_prompts_come_first():
    candidate = changed(scorecard(), 3, seeds=(0, 1), word_errors=5)
    decision = judge(candidate, scorecard(), policy())
    for one in decision.comparisons:
        assert one.low <= one.difference <= one.high
    worst = decision.worst_prompts[0]
    assert (worst.prompt_id, worst.wer, worst.champion_wer) == ("p003", 0.5, pytest.approx(0.1))


def test_verdict_says_what_to_do_next():
    assert judge(scorecard(), scorecard(), policy()).advice == "Promote it."
    bad = judge(changed(scorecard(wer=0.5), 3, word_errors=9), scorecard(wer=0.1), policy())
    assert bad.advice == "Do not release it: wrong words. Listen first to p003, p000, p001."
    assert "ask for a first release" in judge(scorecard(), None, policy()).advice
