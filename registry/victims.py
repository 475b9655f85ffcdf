"""Chooses what to evict: one rule for files, device memory and fleets."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def enough_victims(
    order: Iterable[T], missing: float, size: Callable[[T], float]
) -> list[T] | None:
    """The first of `order` that together free `missing`; None if all of them free too little.

    `order` lists the candidates, least needed first. A candidate made unnecessary by a later,
    larger one is spared; the most needed are spared first.
    """
    chosen = list[T]()
    freed = 0.0
    for candidate in order:
        if freed >= missing:
            break
        chosen.append(candidate)
        freed += size(candidate)
    if freed < missing:
        return None
    leaving = list[T]()
    for candidate in reversed(chosen):
        if freed - size(candidate) >= missing:
            freed -= size(candidate)
        else:
            leaving.append(candidate)
    return leaving[::-1]
