"""How long Redis believes what a gateway told it, without another word."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharedTimings:
    """Microseconds (`_us`) and milliseconds (`_ms`), as the scripts in Redis take them.

    After `lease_us` the places of a gateway that died are free again, after `load_lease_ms` its
    load is forgotten, and after `alive_us` it no longer counts as living.
    """

    lease_us: int = 30_000_000
    load_lease_ms: int = 3000
    alive_us: int = 3_000_000
