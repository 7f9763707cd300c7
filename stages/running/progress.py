"""How far a stage is, in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def counted(items: Iterable[T], total: int, says: str, every: int = 20) -> Iterator[T]:
    """The items as they come; once one is dealt with, every so many and at the last, a line: says.format("20/92")."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0 or number == total:
            print(says.format(f"{number}/{total}"), flush=True)
