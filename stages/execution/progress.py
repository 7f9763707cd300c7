"""Lines that say how far a stage is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def report_progress(items: Iterable[T], total: int, template: str, every: int = 20) -> Iterator[T]:
    """Yield the items and print a line after every `every`th and after the last.

    Args:
        items: what to yield. An item counts once the caller asks for the next one.
        total: number of items.
        template: the line, with {} for "20/92".
        every: items per line.
    """
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0 or number == total:
            print(template.format(f"{number}/{total}"), flush=True)
