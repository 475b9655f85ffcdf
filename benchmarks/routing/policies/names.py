"""The policies by the names they have in tables."""

from collections.abc import Callable, Mapping

from benchmarks.routing.policies.counting import LeastRequests, LocalAi, PowerOfTwo, RoundRobin
from benchmarks.routing.policies.modelyard import Modelyard
from benchmarks.routing.policies.prefix_aware import Dynamo, LlmD, ProductionStack, SgLang
from benchmarks.routing.simulation import RoutingPolicy

OURS = "modelyard"

POLICIES: Mapping[str, Callable[[], RoutingPolicy]] = {
    OURS: Modelyard,
    "round-robin": RoundRobin,
    "least-requests": LeastRequests,
    "power-of-two": PowerOfTwo,
    "llm-d": LlmD,
    "dynamo": Dynamo,
    "sglang": SgLang,
    "production-stack": ProductionStack,
    "localai": LocalAi,
}
