"""Which clips make a batch, and which batches a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.adaptation.batches import (
    epoch_order,
    length_buckets,
    step_groups,
    upstream_gpt_batches,
    upstream_sovits_batches,
    upstream_step_groups,
)
from gpt_sovits.determinism import derive_seed


def flat(batches):
    return [slot for batch in batches for slot in batch]


def test_an_epochs_order_depends_only_on_seed_and_epoch():
    assert sorted(epoch_order(50, 1, 1)) == list(range(50))
    assert epoch_order(50, 1, 1) == epoch_order(50, 1, 1)
    assert len({tuple(epoch_order(50, seed, epoch)) for seed in (1, 2) for epoch in (1, 2)}) == 4
    assert derive_seed("a", 1) != derive_seed("a", 2) and 0 <= derive_seed("a") < 2**63


def test_buckets_hold_every_clip_once_and_similar_lengths():
    lengths = [7 * i % 100 for i in range(60)]
    batches = length_buckets(lengths, 4, seed=1, epoch=1, bucket_width=10)
    assert sorted(flat(batches)) == list(range(60))
    assert max(max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches) < 30
    assert batches != length_buckets(lengths, 4, seed=1, epoch=2, bucket_width=10)
    assert length_buckets([], 4, 1, 1, 10) == []
    with pytest.raises(ValueError, match=r"batch_size \(0\)"):
        length_buckets([1], 0, 1, 1, 10)


@given(st.integers(0, 60), st.integers(1, 9))
def test_no_batch_is_left_without_a_step(n_batches, n):
    batches = [[i] for i in range(n_batches)]
    groups = step_groups(batches, n)
    assert flat(group.batches for group in groups) == batches
    assert all(group.has_step for group in groups)
    assert all(len(group.batches) == n for group in groups[:-1])


@pytest.mark.parametrize(
    ("n_batches", "expected"),
    [
        (0, []),
        (4, [(4, False)]),
        (5, [(5, True)]),
        (8, [(5, True), (3, False)]),
        (14, [(5, True), (4, True), (4, True), (1, False)]),
    ],
)
def test_upstream_steps_after_five_batches_then_after_four(n_batches, expected):
    batches = [[i] for i in range(n_batches)]
    groups = upstream_step_groups(batches)
    assert [(len(group.batches), group.has_step) for group in groups] == expected
    assert flat(group.batches for group in groups) == batches


@given(st.lists(st.floats(0.1, 54), min_size=1, max_size=130), st.integers(1, 40), st.integers(1, 5))
def test_upstream_repeats_few_clips_for_the_gpt_and_limits_the_batch(seconds, batch_size, epoch):
    batches = upstream_gpt_batches(seconds, batch_size, 1234, epoch)
    n = len(seconds)
    n_slots = n if n >= 100 else n * max(2, 100 // n)
    assert sorted(flat(batches)) == list(range(n_slots))
    expected_size = max(1, min(batch_size, n_slots // 4))
    assert sorted(len(b) for b in batches)[1:] == [expected_size] * (len(batches) - 1)
    assert batches == upstream_gpt_batches(seconds, batch_size, 1234, epoch)


def test_upstream_batches_of_the_gpt_straddle_its_buckets_and_change_with_the_epoch():
    seconds = [0.5 + i % 7 for i in range(130)]
    batches = upstream_gpt_batches(seconds, 16, 1234, 1)
    spreads = [max(seconds[i] for i in b) - min(seconds[i] for i in b) for b in batches]
    assert max(spreads) > 2 and sorted(spreads)[len(spreads) // 2] <= 2
    assert batches != upstream_gpt_batches(seconds, 16, 1234, 2)


@given(st.lists(st.integers(2, 2000), min_size=1, max_size=40), st.integers(1, 12), st.integers(1, 3))
def test_upstream_fills_the_buckets_of_the_sovits_by_repetition(n_frames, batch_size, epoch):
    batches = upstream_sovits_batches(n_frames, batch_size, 1234, epoch)
    n = len(n_frames)
    usable = {i for i in range(n) if 32 < n_frames[i] <= 1900}
    assert {slot % n for slot in flat(batches)} == usable
    assert all(len(batch) == batch_size for batch in batches)
    assert len(set(flat(batches))) == len(flat(batches)), "each occurrence has a separate slot"
    for batch in batches:
        longest, shortest = (f(n_frames[slot % n] for slot in batch) for f in (max, min))
        assert longest - shortest < 100 or longest <= 300
