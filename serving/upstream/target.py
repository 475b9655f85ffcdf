"""The address of an engine that a request can be sent to."""

import msgspec


class Target(msgspec.Struct, frozen=True, gc=False):
    """A version ready on a device, and the URL of its engine."""

    version_id: str
    device_id: str
    url: str
