"""One damage, one cause: the first reason names it, whatever else the damage moves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from release_helpers import held_out, policy, scorecard, utterance

from metrics.scores import Scorecard, UtteranceScore
from metrics.wer import character_errors, word_errors
from registry.gate import judge
from registry.gate.causes import EXPLAINS, failure_causes
from registry.gate.policy import GatePolicy

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
        bars=[
            {"metric": "wer", "at_most": 0.35, "unit": "errors per word", "reason": "x"},
            {"metric": "similarity", "at_least": 0.9, "of": "recordings_share", "unit": "share of the recordings",
             "reason": "x"},
            {"metric": "failed_share", "at_most": 0.05, "unit": "share of utterances", "reason": "x"},
        ],
        regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"},
    )  # fmt: skip


def heard(row: UtteranceScore, hypothesis: str, **changes: object) -> UtteranceScore:
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
    """100 sentences x 3 seeds, one word in ten misheard, the likeness 0.86 where recordings have 0.91."""
    luck = random.Random(0)
    rows = []
    for number in range(100):
        sentence = SENTENCES[number % len(SENTENCES)]
        for seed in SEEDS:
            words = [word if luck.random() > 0.1 else "thing" for word in sentence.split()]
            row = utterance(number, seed, reference=sentence, similarity=0.86 + luck.uniform(-0.05, 0.05))
            rows.append(heard(row, " ".join(words)))
    return scorecard(n_prompts=100, seeds=SEEDS, rows=rows, held_out=held_out(similarity=0.91))


def damaged(change: Callable[[UtteranceScore, random.Random], UtteranceScore]) -> Scorecard:
    luck, card = random.Random(1), champion()
    return card.model_copy(update={"rows": tuple(change(row, luck) for row in card.rows)})


def swallowed(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """10 % of the words are missing, none by name."""
    return heard(row, " ".join(word for word in row.hypothesis.split() if luck.random() > 0.1))


def another_speaker(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Somebody else, who swallows a clause now and then too."""
    changes: dict[str, object] = {"similarity": luck.uniform(0.1, 0.4)}
    if luck.random() < 0.08:
        return heard(row, " ".join(row.hypothesis.split()[5:]), failures=("swallowed_clause",), **changes)
    return row.model_copy(update=changes)


def noisy(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """Noise hides words and voice, and some words seem swallowed or cut off."""
    words = [word for word in row.hypothesis.split() if luck.random() > 0.5]
    names = [name for name in ("cut_off", "swallowed_clause") if luck.random() < 0.6]
    return heard(row, " ".join(words), similarity=luck.uniform(0.2, 0.5), failures=(*names, "noise"))


def silent(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """One prompt in twenty."""
    if int(row.prompt_id[1:]) % 20:
        return row
    return heard(row, "", failures=("empty",), similarity=None)


def truncated(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    """The last fifth is missing; only long sentences lose enough to be named."""
    words = row.hypothesis.split()
    kept = words[: len(words) - len(words) // 5]
    names = ("cut_off",) if len(words) - len(kept) >= 3 or luck.random() < 0.3 else ()
    return heard(row, " ".join(kept), failures=names, similarity=row.similarity - 0.01)


def truncated_unnamed(row: UtteranceScore, luck: random.Random) -> UtteranceScore:
    return truncated(row, luck).model_copy(update={"failures": ()})


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (swallowed, "swallowed words (+0.0"),
        (another_speaker, "similarity of another speaker's voice: "),
        (noisy, "noise in 300 of 300 utterances (champion 0): "),
        (silent, "silent (empty) in 5 prompts: guard broken"),
        (truncated, "cut off in "),
        (truncated_unnamed, "words cut off at the end (+0.1"),
    ],
)
def test_damaged_voice_fails_and_the_first_reason_names_the_damage(damage, cause):
    decision = judge(damaged(damage), champion(), rules())
    assert decision.outcome == "fail"
    assert decision.reasons[0].startswith(cause)


def test_undamaged_voice_passes_against_itself():
    assert judge(champion(), champion(), rules()).outcome == "pass"


def test_likeness_that_is_merely_lower_is_not_called_another_speaker():
    card = damaged(lambda row, luck: row.model_copy(update={"similarity": row.similarity - 0.1}))
    assert judge(card, champion(), rules()).reasons[0].startswith("similarity to the speaker lost: bar missed")


def test_utterance_counts_for_the_failure_that_explains_its_others():
    rows = [
        utterance(n, 0, failures=names) for n, names in enumerate([("cut_off", "noise"), ("cut_off",), ("new",), ()])
    ]
    assert failure_causes(rows, []) == [
        "noise in 1 of 4 utterances",
        "cut off in 1 of 4 utterances",
        "new in 1 of 4 utterances",
    ]


def test_largest_difference_to_the_champion_comes_first():
    ours = [utterance(n, 0, failures=("cut_off",) if n < 5 else ("empty",)) for n in range(8)]
    theirs = [utterance(n, 0, failures=("cut_off",) if n < 4 else ()) for n in range(8)]
    assert failure_causes(ours, theirs) == [
        "silent (empty) in 3 of 8 utterances (champion 0)",
        "cut off in 5 of 8 utterances (champion 4)",
    ]


def test_every_named_failure_has_its_place_and_words():
    from metrics.failures import FAILURES

    assert set(FAILURES) <= set(EXPLAINS)
