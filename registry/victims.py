"""What leaves so that something fits: the one rule of files, of a device's memory and of fleets."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def enough_victims(
    order: Iterable[T], missing: float, size: Callable[[T], float]
) -> list[T] | None:
    """The first of `order` that free `missing` together; None where all of them are too little.

    `order` are those that may leave, the one that is missed least first. Those are spared again,
    the most missed first, that a later and larger one has made unnecessary.
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
