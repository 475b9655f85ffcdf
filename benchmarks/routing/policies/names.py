"""The policies by the names they have in tables."""

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.routing.policies.counting import LeastRequests, LocalAi, PowerOfTwo, RoundRobin
from benchmarks.routing.policies.modelyard import ModelyardPolicy
from benchmarks.routing.policies.prefix_aware import Dynamo, LlmD, ProductionStack, SgLang
from benchmarks.routing.simulation import RoutingPolicy
from modelyard.serving.routing.policy.overtaking import QueueOrder

OURS = "modelyard"
OUR_ORDERS = ("modelyard", "modelyard-fair", "modelyard-throughput")
"""The default order of waiting requests, and the other two that can be set."""

POLICIES: Mapping[str, Callable[[], RoutingPolicy]] = {
    OURS: ModelyardPolicy,
    "modelyard-fair": partial(ModelyardPolicy, QueueOrder.FAIR),
    "modelyard-throughput": partial(ModelyardPolicy, QueueOrder.THROUGHPUT),
    "round-robin": RoundRobin,
    "least-requests": LeastRequests,
    "power-of-two": PowerOfTwo,
    "llm-d": LlmD,
    "dynamo": Dynamo,
    "sglang": SgLang,
    "production-stack": ProductionStack,
    "localai": LocalAi,
}
