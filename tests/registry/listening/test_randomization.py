"""Sides are a fair coin, every order is equally likely, and both can be computed again from the salt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.listening.randomization import candidate_side, next_key, trial_id

KEYS = st.sets(st.tuples(st.text(min_size=1), st.integers(0, 5)), min_size=1, max_size=20)


def test_side_is_a_fair_coin_over_trials_listeners_prompts_and_salts():
    sides = [candidate_side(f"salt{i % 7}", f"l{i % 5}", (f"p{i % 11}", i % 3), i) for i in range(4000)]
    assert abs(sides.count("a") / 4000 - 0.5) < 0.04  # 5 standard deviations


def test_side_depends_on_the_salt_so_a_listener_cannot_guess_it():
    differ = [
        candidate_side("one", "anna", ("p", 0), n) != candidate_side("two", "anna", ("p", 0), n) for n in range(400)
    ]
    assert 120 < sum(differ) < 280


@given(KEYS, st.text(), st.text(), st.integers(0, 100))
def test_draws_are_repeatable_whatever_the_order_of_the_keys(keys, salt, listener, n):
    drawn = next_key(salt, listener, keys, n)
    assert drawn in keys
    assert drawn == next_key(salt, listener, sorted(keys, reverse=True), n)
    assert candidate_side(salt, listener, drawn, n) == candidate_side(salt, listener, drawn, n)
    assert len(trial_id(salt, listener, drawn, n)) == 64


def test_every_utterance_is_drawn_once():
    keys = {(f"p{i}", seed) for i in range(5) for seed in range(2)}
    left, order = set(keys), []
    while (key := next_key("salt", "anna", left, len(order))) is not None:
        order.append(key)
        left.remove(key)
    assert sorted(order) == sorted(keys) and order != sorted(keys)


def test_every_utterance_is_equally_likely_to_come_first():
    keys = [(f"p{i}", 0) for i in range(4)]
    first = [next_key(f"salt {n}", "anna", keys, 0) for n in range(2000)]
    assert all(abs(first.count(key) / 2000 - 0.25) < 0.05 for key in keys)
