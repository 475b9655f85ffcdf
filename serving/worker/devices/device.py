"""The one way to ask a device."""

from collections.abc import Mapping
from typing import Protocol

from modelyard.registry.fleet.device_facts import DeviceFacts


class Device(Protocol):
    """Something that models run on."""

    @property
    def device_id(self) -> str:
        """The same for the same device after every restart."""
        ...

    @property
    def is_gpu(self) -> bool: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What an engine's environment needs to see this device and no other."""
        ...

    def facts(self) -> DeviceFacts:
        """Measure; may block, never raises: a device that fails has status `error`."""
        ...
