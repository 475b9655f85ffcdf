"""Whatever is done in whatever order, the store keeps its promises."""

import hashlib
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelyard.registry.errors import FileMissing, StorageFull
from modelyard.registry.store import Store

BOUND = 1000
CONTENTS = st.integers(0, 9).map(lambda n: bytes([n]) * (n * 40))
OWNERS = st.sampled_from(["version:1", "version:2"])


class StoreMachine(RuleBasedStateMachine):
    """Puts, pins, uses and evictions at random."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.store = Store(self.root, BOUND)
        self.pins: dict[str, set[str]] = {}
        self.uses: list[tuple[str, ExitStack]] = []

    def teardown(self) -> None:
        for _, use in self.uses:
            use.close()
        shutil.rmtree(self.root)

    @rule(content=CONTENTS)
    def put(self, content: bytes) -> None:
        try:
            stored = self.store.put([content])
        except StorageFull:
            return
        assert self.store.path(stored.sha256).read_bytes() == content

    @rule(content=CONTENTS, owner=OWNERS)
    def pin(self, content: bytes, owner: str) -> None:
        sha = hashlib.sha256(content).hexdigest()
        try:
            self.store.pin(sha, owner)
        except FileMissing:
            assert not self.store.has(sha)
        else:
            self.pins.setdefault(owner, set()).add(sha)

    @rule(owner=OWNERS)
    def unpin(self, owner: str) -> None:
        assert set(self.store.unpin(owner)) == self.pins.pop(owner, set())

    @rule(content=CONTENTS)
    def use(self, content: bytes) -> None:
        sha = hashlib.sha256(content).hexdigest()
        use = ExitStack()
        try:
            use.enter_context(self.store.use(sha))
        except FileMissing:
            return
        self.uses.append((sha, use))

    @precondition(lambda self: self.uses)
    @rule()
    def release(self) -> None:
        self.uses.pop(0)[1].close()

    @rule(size=st.integers(0, BOUND + 100))
    def make_room(self, size: int) -> None:
        try:
            self.store.make_room(size)
        except StorageFull:
            kept = sum(self.store.size(sha) for sha in self._kept())
            assert kept + size > BOUND
        else:
            assert self.store.usage() + size <= BOUND

    @rule(content=CONTENTS)
    def remove(self, content: bytes) -> None:
        sha = hashlib.sha256(content).hexdigest()
        expected = self.store.has(sha) and sha not in self._kept()
        assert self.store.remove(sha) == expected

    def _kept(self) -> set[str]:
        return {sha for owned in self.pins.values() for sha in owned} | {s for s, _ in self.uses}

    @invariant()
    def bounded_and_nothing_needed_has_left(self) -> None:
        assert self.store.usage() <= BOUND
        assert all(self.store.has(sha) for sha in self._kept())


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=30)
