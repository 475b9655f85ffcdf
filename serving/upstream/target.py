"""An engine a request can be sent to."""

import msgspec


class Target(msgspec.Struct, frozen=True, gc=False):
    """A version that is ready on a device, and where it answers."""

    version_id: str
    device_id: str
    url: str
