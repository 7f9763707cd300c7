"""The subset of the prompts on which checkpoint pairs are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.prompts import CATEGORIES, load_prompts, selection_subset

ENGLISH = Path(__file__).resolve().parents[2] / "benchmarks" / "prompts" / "en.yaml"


def test_subset_spreads_over_categories_and_grows() -> None:
    prompts = load_prompts(ENGLISH).prompts
    assert [prompt.category for prompt in selection_subset(prompts, 8)] == list(CATEGORIES[:8])
    assert [prompt.id for prompt in selection_subset(prompts, 2)] == ["everyday_01", "numbers_and_dates_01"]
    for n in range(1, len(prompts)):
        assert selection_subset(prompts, n + 1)[:n] == selection_subset(prompts, n)
    assert set(selection_subset(prompts, len(prompts))) == set(prompts)


def test_subset_does_not_depend_on_the_order_of_the_file() -> None:
    prompts = load_prompts(ENGLISH).prompts
    assert selection_subset(prompts[::-1], 11) == selection_subset(prompts, 11)


@pytest.mark.parametrize("n", [0, -1, 3])
def test_a_subset_larger_than_the_set_or_empty_is_refused(prompt_file: Path, n: int) -> None:
    with pytest.raises(ValueError, match=f"cannot take {n} prompts; there are 2"):
        selection_subset(load_prompts(prompt_file).prompts, n)
