"""docker-compose.yml as Docker reads it: variables filled in, services in the order they start."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


class VariableMissing(Exception):
    """A variable that must be set is not, or is empty."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service; `configs` are the files it is given, by the place where it finds them.

    One that `ends` does its work once, and nobody starts it again.
    """

    name: str
    image: str
    entrypoint: list[str] | None
    command: list[str] | None
    environment: dict[str, str]
    waits_for: dict[str, str]
    healthcheck: list[str] | None
    volumes: dict[str, str]
    ports: list[str]
    configs: dict[str, str]
    ends: bool


def filled(variables: Mapping[str, str], file: Path = FILE) -> Any:
    """The whole file with its variables filled in; raises VariableMissing."""
    return _filled(yaml.safe_load(file.read_text()), variables)


def read(variables: Mapping[str, str], file: Path = FILE) -> dict[str, ComposeService]:
    """Every service, each after those that it waits for; raises VariableMissing."""
    whole = filled(variables, file)
    contents = {name: config["content"] for name, config in whole.get("configs", {}).items()}
    services = {name: _service(name, one, contents) for name, one in whole["services"].items()}
    return {name: services[name] for name in _in_order(services)}


def required(file: Path = FILE) -> set[str]:
    """The variables without which Docker starts nothing."""
    return {name for name, kind in _variables(file) if kind == "?"}


def optional(file: Path = FILE) -> set[str]:
    return {name for name, kind in _variables(file) if kind != "?"}


def _variables(file: Path) -> Iterator[tuple[str, str]]:
    for escaped, name, kind, _ in _VARIABLE.findall(file.read_text()):
        if not escaped:
            yield name, kind


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        escaped, name, kind, rest = match.groups()
        if escaped:
            return "$"
        if kind == "?" and not variables.get(name):
            raise VariableMissing(f"{name}: {rest}")
        return variables.get(name) or (rest if kind == "-" else "")

    return _VARIABLE.sub(found, value)


def _service(name: str, one: Mapping[str, Any], contents: Mapping[str, str]) -> ComposeService:
    waits = one.get("depends_on", {})
    check: list[str] | None = one.get("healthcheck", {}).get("test")
    assert check is None or check[0] == "CMD", f"{name}: only CMD checks are understood here"
    return ComposeService(
        name=name,
        image=one["image"],
        entrypoint=one.get("entrypoint"),
        command=one.get("command"),
        environment={key: str(value) for key, value in one.get("environment", {}).items()},
        waits_for={other: how["condition"] for other, how in waits.items()},
        healthcheck=check[1:] if check else None,
        volumes=dict(volume.split(":") for volume in one.get("volumes", [])),
        ports=one.get("ports", []),
        configs={c["target"]: contents[c["source"]] for c in one.get("configs", [])},
        ends=one.get("restart") == "no",
    )


def _in_order(services: Mapping[str, ComposeService]) -> list[str]:
    done: list[str] = []

    def visit(name: str) -> None:
        for other in services[name].waits_for:
            visit(other)
        if name not in done:
            done.append(name)

    for name in services:
        visit(name)
    return done
