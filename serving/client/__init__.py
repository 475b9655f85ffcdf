"""A client for programs: hand work in, follow it, be told, whatever happens to a connection."""

from modelyard.serving.client.asynchronous import AsyncModelyard
from modelyard.serving.client.callback import CallbackForged, verify_callback
from modelyard.serving.client.fields import WorkFields
from modelyard.serving.client.notices import HeardNotice
from modelyard.serving.client.problem import ApiProblem, GatewaySilent
from modelyard.serving.client.synchronous import Modelyard

__all__ = [
    "ApiProblem",
    "AsyncModelyard",
    "CallbackForged",
    "GatewaySilent",
    "HeardNotice",
    "Modelyard",
    "WorkFields",
    "verify_callback",
]
