"""The gate's keys in Redis: all in one hash slot, so that a script may use them together."""

from modelyard.serving.admission.limits import Rate

_GATE = "{modelyard:gate}"
EPOCH = f"{_GATE}:epoch"
LIVE = f"{_GATE}:live"
GATEWAYS = f"{_GATE}:gateways"
LOADS = f"{_GATE}:loads"


def live_of(user_id: str) -> str:
    return f"{_GATE}:live:{user_id}"


def quota_of(user_id: str, period: int) -> str:
    return f"{_GATE}:quota:{user_id}:{period}"


def log_of(rate: Rate, user_id: str) -> str:
    return f"{_GATE}:{rate.name}:{user_id}" if rate.per_user else f"{_GATE}:{rate.name}"
