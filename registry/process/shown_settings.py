"""Every setting as `modelyard config` shows it: its value, where it came from, what it means."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.settings import (
    aliases_of,
    config_file,
    load,
    read_file,
    sections,
    variable_of,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as `modelyard config` shows it; `value` never holds a secret."""

    section: str
    variable: str
    value: str
    origin: str
    meaning: str


def show_all() -> list[Shown]:
    """Every setting with its value, origin and meaning.

    A setting that several sections share is listed once, with the meaning of each.
    """
    in_file = read_file()
    rows: dict[str, Shown] = {}
    for title, section in sections():
        values = load(section)
        for name, field in section.model_fields.items():
            variable = variable_of(name, field)
            meaning = field.description or ""
            origin = _origin((variable, *aliases_of(field)), name, in_file)
            shown = Shown(title, variable, _shown(getattr(values, name)), origin, meaning)
            rows[variable] = _both(rows[variable], shown) if variable in rows else shown
    return [*rows.values()]


def _both(first: Shown, second: Shown) -> Shown:
    """One row of two sections: their meanings, and the value of the first that has one."""
    if first.meaning == second.meaning:
        return first
    meaning = f"{first.meaning} {second.meaning}"
    return replace(first, value=first.value or second.value, meaning=meaning)


def _origin(variables: Iterable[str], name: str, in_file: dict[str, Any]) -> str:
    if any(variable in os.environ for variable in variables):
        return "environment"
    return str(config_file()) if name in in_file else "default"


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else "(not set)"
    return "" if value is None else without_logins(str(value))
