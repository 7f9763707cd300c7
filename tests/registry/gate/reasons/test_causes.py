"""One damage has one cause: the first reason names it, whatever other figures the damage moves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from release_helpers import held_out, policy, scorecard, utterance

from metrics.scores import Scorecard, UtteranceScore
from metrics.wer import character_errors, word_errors
from registry.gate.deciding import decide
from registry.gate.policy import GatePolicy
from registry.gate.reasons.causes import FAILURES_BY_PRECEDENCE, failure_causes, word_cause
from registry.gate.reasons.text import cause_text

SENTENCES = [
    "the kettle is on the stove and the bread is in the oven",
    "we usually walk the dog before breakfast and again after dark",
    "please leave the parcel with the woman at the front desk",
    "there is soup left in the fridge if you get hungry later",
    "he fixed the leaking pipe with a bit of tape and a lot of hope",
]
SEEDS = (0, 1, 2)


def rules() -> GatePolicy:
    return policy(
        thresholds=[
            {"metric": "wer", "at_most": 0.35, "unit": "errors per word", "reason": "x"},
            {"metric": "similarity", "at_least": 0.9, "relative_to": "recordings", "scale": "ratio",
             "unit": "ratio to the recordings", "reason": "x"},
            {"metric": "failed_share", "at_most": 0.05, "unit": "share of utterances", "reason": "x"},
        ],
        regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"},
    )  # fmt: skip


def with_hypothesis(row: UtteranceScore, hypothesis: str, **changes: object) -> UtteranceScore:
    words, characters = word_errors(row.reference, hypothesis), character_errors(row.reference, hypothesis)
    return row.model_copy(
        update={
            "hypothesis": hypothesis,
            "word_errors": words.errors,
            "n_words": words.n_reference,
            "char_errors": characters.errors,
            "n_chars": characters.n_reference,
            **changes,
        }
    )


def champion() -> Scorecard:
    """Return 100 sentences x 3 seeds, one word in ten misheard, the similarity 0.86 where recordings have 0.91."""
    luck = random.Random(0)
    rows = []
    for number in range(100):
        sentence = SENTENCES[number % len(SENTENCES)]
        for seed in SEEDS:
            words = [word if luck.random() > 0.1 else "thing" for word in sentence.split()]
            row = utterance(number, seed, reference=sentence, similarity=0.86 + luck.uniform(-0.05, 0.05))
            rows.append(with_hypothesis(row, " ".join(words)))
    return scorecard(n_prompts=100, seeds=SEEDS, rows=rows, held_out=held_out(similarity=0.91))


def damaged(change: Callable[[UtteranceScore, random.Random], UtteranceScore]) -> Scorecard:
    luck, card = random.Random(1), champion()
    return card.model_copy(update={"rows": tuple(change(row, luck) for row in card.rows)})


def swallowed(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Drop 10 % of the words, without a named failure."""
    return with_hypothesis(row, " ".join(word for word in row.hypothesis.split() if luck.random() > 0.1))


def another_speaker(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Speak as somebody else, who also swallows a clause now and then."""
    changes: dict[str, object] = {"similarity": luck.uniform(0.1, 0.4)}
    if luck.random() < 0.08:
        return with_hypothesis(row, " ".join(row.hypothesis.split()[5:]), failures=("swallowed_clause",), **changes)
    return row.model_copy(update=changes)


def noisy(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Hide words and voice in noise, so that some words seem swallowed or cut off."""
    words = [word for word in row.hypothesis.split() if luck.random() > 0.5]
    names = [name for name in ("cut_off", "swallowed_clause") if luck.random() < 0.6]
    return with_hypothesis(row, " ".join(words), similarity=luck.uniform(0.2, 0.5), failures=(*names, "noise"))


def silent(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Silence one prompt in twenty."""
    if int(row.prompt_id[1:]) % 20:
        return row
    return with_hypothesis(row, "", failures=("empty",), similarity=None)


def truncated(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Drop the last fifth. Only long sentences lose enough for a named failure."""
    words = row.hypothesis.split()
    kept = words[: len(words) - len(words) // 5]
    names = ("cut_off",) if len(words) - len(kept) >= 3 or luck.random() < 0.3 else ()
    return with_hypothesis(row, " ".join(kept), failures=names, similarity=row.similarity - 0.01)


def truncated_unnamed(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    return truncated(row, luck).model_copy(update={"failures": ()})


@pytest.mark.parametrize(
    ("damage", "code", "text"),
    [
        (swallowed, "swallowed_words", "swallowed words (+0.0"),
        (another_speaker, "another_speaker", "the voice of another speaker: "),
        (noisy, "failure_of_speech", "noise in 300 of 300 utterances (champion 0): "),
        (silent, "silent_prompts", "silent (empty) in 5 prompts: too many regressed prompts"),
        (truncated, "failure_of_speech", "cut off in "),
        (truncated_unnamed, "words_cut_off", "words cut off at the end (+0.1"),
    ],
)
def test_damaged_voice_fails_and_the_first_reason_names_the_damage(damage, code, text):
    decision = decide(damaged(damage), champion(), policy=rules())
    assert decision.outcome == "fail"
    assert decision.reasons[0].causes[0].code == code
    assert decision.reasons[0].text.startswith(text)


def test_undamaged_voice_passes_against_itself():
    assert decide(champion(), champion(), policy=rules()).outcome == "pass"


def test_similarity_that_is_only_lower_is_not_called_another_speaker():
    card = damaged(lambda row, luck: row.model_copy(update={"similarity": row.similarity - 0.1}))
    reason = decide(card, champion(), policy=rules()).reasons[0]
    assert reason.causes[0].code == "similarity_lost"
    assert reason.text.startswith("speaker similarity lost: threshold missed")


def test_utterance_counts_for_the_failure_that_explains_its_others():
    rows = [
        utterance(n, 0, failures=names) for n, names in enumerate([("cut_off", "noise"), ("cut_off",), ("new",), ()])
    ]
    assert list(map(cause_text, failure_causes(rows, []))) == [
        "noise in 1 of 4 utterances",
        "cut off in 1 of 4 utterances",
        "new in 1 of 4 utterances",
    ]


def test_largest_difference_to_the_champion_comes_first():
    rows = [utterance(n, 0, failures=("cut_off",) if n < 5 else ("empty",)) for n in range(8)]
    champion_rows = [utterance(n, 0, failures=("cut_off",) if n < 4 else ()) for n in range(8)]
    causes = failure_causes(rows, champion_rows)
    assert causes[0].failure == "empty"
    assert causes[0].values == {"n": 3, "n_utterances": 8, "n_champion": 0}
    assert list(map(cause_text, causes)) == [
        "silent (empty) in 3 of 8 utterances (champion 0)",
        "cut off in 5 of 8 utterances (champion 4)",
    ]


@pytest.mark.parametrize(("language", "unit"), [("en", "word"), ("zh", "character"), ("ko", "character")])
def test_words_as_a_cause_are_counted_in_the_unit_of_the_language(language, unit):
    rows = [
        utterance(n, 0, language=language, reference="a b c d", hypothesis="a b c", word_errors=1, n_words=4)
        for n in range(4)
    ]
    assert cause_text(word_cause(rows, [])) == f"words cut off at the end (+0.250 per {unit})"


def test_every_failure_of_speech_has_its_precedence():
    from metrics.failures import FAILURES

    assert set(FAILURES) <= set(FAILURES_BY_PRECEDENCE)
