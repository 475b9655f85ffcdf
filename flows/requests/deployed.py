"""Finds the deployments at a Prefect server that requests may start."""

from collections.abc import Mapping
from typing import Any

from modelyard.flows.prefect.api import PrefectApi
from modelyard.registry.jobs.job import JobType
from modelyard.registry.runs.served_flows import ServedFlow

NAMES = tuple(kind.value for kind in JobType if kind.is_flow)
"""A deployment of one of these names runs the requests of that type, whatever its flow is."""


def deployed(api: PrefectApi) -> list[ServedFlow]:
    """Those of our names that are not paused; of several of one name the one made last."""
    wanted = {"deployments": {"name": {"any_": NAMES}}}
    found = sorted(api.ask("POST", "/deployments/filter", wanted), key=lambda each: each["created"])
    latest = {each["name"]: each for each in found if not each["paused"]}
    return [_served(each, _flow_name(api, each["flow_id"])) for each in latest.values()]


def _flow_name(api: PrefectApi, flow_id: str) -> str:
    return str(api.ask("GET", f"/flows/{flow_id}")["name"])


def _served(deployment: Mapping[str, Any], flow: str) -> ServedFlow:
    schema = deployment["parameter_openapi_schema"]
    has_schema = isinstance(schema, Mapping) and "properties" in schema
    known = schema["properties"] if has_schema else {}
    required = schema.get("required") or () if has_schema else ()
    return ServedFlow(
        name=deployment["name"],
        flow=flow,
        deployment_id=deployment["id"],
        parameters=tuple(known),
        required=tuple(name for name in required if name not in deployment["parameters"]),
        takes_any=not has_schema,
    )
