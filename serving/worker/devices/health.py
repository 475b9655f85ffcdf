"""Whether a device accepts work, from its measured facts and the admin's orders."""

from dataclasses import replace

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.registry.fleet.device_orders import DeviceOrder


def judged(facts: DeviceFacts, order: DeviceOrder) -> DeviceFacts:
    """The facts with the effective status: maintenance overrides error, error overrides the rest.

    A fatal XID or an uncorrected memory error keeps the device in error until an admin clears it or
    the record is lost: XID events when the worker restarts, counters when the card is reset.
    """
    if order.maintenance:
        reason = order.reason or "an admin has taken it out of work"
        return replace(facts, status=DeviceStatus.MAINTENANCE, reason=reason)
    if facts.status is DeviceStatus.ERROR:
        return facts
    fault = _xid(facts, order) or _memory(facts, order)
    return replace(facts, status=DeviceStatus.ERROR, reason=fault) if fault else facts


def _xid(facts: DeviceFacts, order: DeviceOrder) -> str:
    cleared = order.cleared_at
    counting = [e for e in facts.xid_events if e.fatal and (cleared is None or e.at > cleared)]
    if not counting:
        return ""
    last = counting[-1]
    return f"XID {last.code}: {last.meaning}, at {last.at:%Y-%m-%d %H:%M:%S} UTC"


def _memory(facts: DeviceFacts, order: DeviceOrder) -> str:
    errors = facts.ecc_errors
    # A card reset zeroes the counter, so errors cleared before it no longer apply.
    new = errors - order.cleared_ecc if errors >= order.cleared_ecc else errors
    return f"{new} uncorrected memory (ECC) errors" if new else ""
