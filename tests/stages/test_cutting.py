"""Where recordings are cut. In these tests a sample is 1 ms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.cutting import Limits, Span, cut

FRAME = 10  # samples


def limits(n_samples: int, **changes: int) -> Limits:
    return Limits(shortest=1000, longest=12000, padding=100, longest_pause=1000, n_samples=n_samples)._replace(
        **changes
    )


def cut_flat(speech: list[tuple[int, int]], n_samples: int, **changes: int) -> tuple[list[Span], list[Span]]:
    return cut([Span(*region) for region in speech], np.zeros(n_samples // FRAME), FRAME, limits(n_samples, **changes))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Span], np.ndarray, Limits]:
    """Speech regions as silero-vad gives them, random levels, and any limits that params.yaml accepts."""
    lengths = draw(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 30000)), max_size=25))
    speech, position = [], 0
    for gap, length in lengths:
        speech.append(Span(position + gap, position + gap + length))
        position += gap + length
    n_samples = position + draw(st.integers(0, 3000))
    shortest = draw(st.integers(500, 3000))
    padding = draw(st.integers(0, 500))
    longest = draw(st.integers(2 * shortest + 2 * padding, 15000))
    seed = draw(st.integers(0, 9))
    levels = np.random.default_rng(seed).random(n_samples // FRAME)
    return speech, levels, Limits(shortest, longest, padding, draw(st.integers(0, 3000)), n_samples)


@settings(max_examples=300, deadline=None)
@given(recordings())
def test_clips_are_in_order_of_allowed_length_and_no_speech_is_lost(case: tuple) -> None:
    speech, levels, limits_ = case
    clips, lost = cut(speech, levels, FRAME, limits_)
    for clip in clips:
        assert limits_.shortest <= clip.end - clip.start <= limits_.longest
        assert clip.start >= 0 and clip.end <= limits_.n_samples
    for kind in (clips, lost):
        assert all(one.end <= other.start for one, other in pairwise(kind))
    covered = np.zeros(limits_.n_samples + 1, bool)
    for span in [*clips, *lost]:
        covered[span.start : span.end] = True
    for region in speech:
        assert covered[region.start : region.end].all()
    assert all(span.end - span.start < limits_.shortest for span in lost)
    assert cut(speech, levels, FRAME, limits_) == (clips, lost)


def test_an_utterance_with_pauses_stays_one_clip_with_its_padding() -> None:
    assert cut_flat([(500, 2000), (2400, 3000), (3900, 6000)], 7000) == ([Span(400, 6100)], [])


def test_a_long_pause_ends_a_clip() -> None:
    assert cut_flat([(500, 2000), (3500, 6000)], 7000) == ([Span(400, 2100), Span(3400, 6100)], [])


def test_near_neighbours_share_the_pause_between_them() -> None:
    clips, _ = cut_flat([(0, 7000), (7100, 14000)], 14000)
    assert clips == [Span(0, 7050), Span(7050, 14000)]


def test_of_equally_many_clips_those_with_the_longest_pauses_between_them_are_chosen() -> None:
    clips, _ = cut_flat([(0, 5000), (5300, 9000), (9900, 14000)], 14000)
    assert clips == [Span(0, 9100), Span(9800, 14000)]
    clips, _ = cut_flat([(0, 5000), (5900, 9000), (9300, 14000)], 14000)
    assert clips == [Span(0, 5100), Span(5800, 14000)]


def test_short_speech_joins_its_neighbour_or_takes_more_silence_or_is_lost() -> None:
    assert cut_flat([(500, 900), (1500, 4000)], 5000) == ([Span(400, 4100)], [])
    assert cut_flat([(500, 900), (3000, 5000)], 5000) == ([Span(200, 1200), Span(2900, 5000)], [])
    assert cut_flat([(100, 300), (3000, 5000)], 5000) == ([Span(0, 1000), Span(2900, 5000)], [])
    assert cut_flat([(100, 900)], 950) == ([], [Span(100, 900)])


def test_a_short_tail_takes_speech_from_the_clip_before_it_rather_than_being_lost() -> None:
    clips, lost = cut_flat([(0, 3000), (3300, 11700), (12300, 12500)], 12500)
    assert (clips, lost) == ([Span(0, 3100), Span(3200, 12500)], [])


def test_long_speech_is_split_at_its_quietest_frame() -> None:
    levels = np.ones(2000)
    levels[900] = 0.1  # 9.00 s
    levels[300] = 0.0  # quieter, but so early that a third clip would be needed
    clips, _ = cut([Span(0, 20000)], levels, FRAME, limits(20000))
    assert clips == [Span(0, 9000), Span(9000, 20000)]


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="leave no room for 6000 samples of padding"):
        cut_flat([(0, 5000)], 5000, padding=6000)
