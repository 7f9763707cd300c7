"""Clips outside the limits are dropped with reasons, and too many of them are an error."""

from collections import namedtuple

import pytest

from gpt_sovits.adaptation.filters import Limit, usable_clips

Clip = namedtuple("Clip", ["clip_id", "seconds", "n_phonemes"])
LIMITS = [
    Limit("seconds", lambda c: c.seconds, 0.6, 54.0),
    Limit("phonemes per second", lambda c: c.n_phonemes / c.seconds, 3.0, 25.0),
]
GOOD, EDGE = Clip("good", 2.0, 20), Clip("edge", 54.0, 162)
SHORT, DENSE, BOTH = Clip("short", 0.5, 5), Clip("dense", 1.0, 26), Clip("both", 0.5, 50)


def test_clips_on_a_limit_are_kept_and_others_dropped_with_every_reason():
    train, held_out, dropped = usable_clips([GOOD, SHORT, EDGE, BOTH], [DENSE, GOOD], LIMITS, 0.5, "adapt_gpt")
    assert train == [GOOD, EDGE] and held_out == [GOOD]
    assert dropped == [
        ("short", "0.5 seconds, allowed: 0.6 to 54"),
        ("both", "0.5 seconds, allowed: 0.6 to 54; 100 phonemes per second, allowed: 3 to 25"),
        ("dense", "26 phonemes per second, allowed: 3 to 25"),
    ]


def test_a_measure_of_nan_is_outside_the_limits():
    _, _, dropped = usable_clips([GOOD, Clip("odd", float("nan"), 3)], [], LIMITS, 0.5, "adapt_gpt")
    assert [clip.clip_id for clip in dropped] == ["odd"]


@pytest.mark.parametrize(
    ("train", "held_out", "share"),
    [([GOOD, SHORT, DENSE], [GOOD], 0.49), ([SHORT, DENSE], [GOOD, GOOD, GOOD], 1.0)],
)
def test_too_many_dropped_clips_are_an_error_with_their_reasons(train, held_out, share):
    message = r"adapt_gpt: 2 of \d clips are outside the limits \(short: 0.5 seconds.*dense: .*section adapt_gpt"
    with pytest.raises(ValueError, match=message):
        usable_clips(train, held_out, LIMITS, share, "adapt_gpt")


def test_missing_training_clips_are_an_error():
    with pytest.raises(ValueError, match="adapt_sovits: no clips to train on"):
        usable_clips([], [GOOD], LIMITS, 1.0, "adapt_sovits")
