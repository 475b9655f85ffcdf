"""Delivers the scheduler's results to the event loops, with one wake-up per step and loop."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.kv.slot import News, Sequence

Delivery = tuple[Sequence, News]


@dataclass(slots=True)
class Mailbox:
    """Tokens and endings queued for the sequences' mailboxes."""

    _letters: list[Delivery] = field(default_factory=list[Delivery])

    def add(self, sequence: Sequence, news: News) -> None:
        self._letters.append((sequence, news))

    def send(self) -> None:
        letters, self._letters = self._letters, []
        by_loop = defaultdict[asyncio.AbstractEventLoop, list[Delivery]](list)
        for letter in letters:
            by_loop[letter[0].loop].append(letter)
        for loop, own in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_deliver, own)


def _deliver(letters: list[Delivery]) -> None:
    for sequence, news in letters:
        sequence.mailbox.put_nowait(news)
