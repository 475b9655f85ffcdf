"""The interface of every device."""

from collections.abc import Mapping
from typing import Protocol

from modelyard.registry.fleet.device_facts import DeviceFacts


class Device(Protocol):
    """A device that models run on."""

    @property
    def device_id(self) -> str:
        """An id that stays the same across restarts."""
        ...

    @property
    def is_gpu(self) -> bool: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables that let an engine see this device only."""
        ...

    def facts(self) -> DeviceFacts:
        """Measure; may block, never raises: a failing device has status `error`."""
        ...
