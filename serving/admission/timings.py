"""How long Redis keeps a gateway's entries without a renewal."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharedTimings:
    """Microseconds (`_us`) and milliseconds (`_ms`), as the scripts in Redis take them.

    `lease_us` after its last renewal a dead gateway's places are released, after `load_lease_ms`
    its load is dropped, and after `alive_us` it no longer counts among the gateways.
    """

    lease_us: int = 30_000_000
    load_lease_ms: int = 3000
    alive_us: int = 3_000_000
