"""How tests are shared out among xdist's workers: whole files, the longest first."""

from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/acceptance/", "tests/architecture/")
"""The files of such a folder share one `up`, or the parsed modules: one worker has them all."""

SLOW_S = 20
"""What a `slow` test without a number counts as."""


class LongestFirst(LoadFileScheduling):
    """Units of work in the order of collection; `longest_first` has put the long ones in front."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_folder(nodeid) or super()._split_scope(nodeid)


def shared_folder(nodeid: str) -> str:
    """The folder whose files one worker has together with this test's; empty if none."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), "")


def longest_first(items: list[pytest.Item]) -> None:
    """Sort in place by the seconds of each file's `slow` mark; what has none keeps its order.

    A long file that begins last keeps one worker busy while the others have nothing left to do.
    """
    seconds: dict[str, int] = {}
    for item in items:
        file = _file(item)
        seconds[file] = max(seconds.get(file, 0), *_marked(item))
    items.sort(key=lambda item: -seconds[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _marked(item: pytest.Item) -> Iterator[int]:
    yield 0
    for mark in item.iter_markers("slow"):
        yield mark.kwargs.get("seconds", SLOW_S)
