"""Finds settings that nobody reads: misspelt names in the file and in the environment."""

import difflib
import os
from collections.abc import Iterable

from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.settings import PREFIX, config_file, read_file, sections, variable_of

ELSEWHERE = ("MODELYARD_CONFIG", "MODELYARD_DEMO_HUB_TOKEN", "MODELYARD_VERSION")
"""Variables that are no settings: the file's own, the demo Hub's, and docker compose's."""


def check_file() -> None:
    """Raise SettingsInvalid for an unknown name in the file, suggesting the nearest known one."""
    known = {name for _, section in sections() for name in section.model_fields}
    for name in read_file():
        if name not in known:
            raise SettingsInvalid(
                f"{config_file()}: there is no setting '{name}'.", fix=_nearest(name, known)
            )


def unread_variables() -> list[str]:
    """A sentence for each variable of the environment that looks like a setting and is none."""
    given = [name for name in os.environ if name.startswith(PREFIX)]
    known = {
        variable_of(name, field)
        for _, section in (sections() if given else ())
        for name, field in section.model_fields.items()
    } | set(ELSEWHERE)
    return [
        f"Nothing reads {name}. {_nearest(name, known)}"
        for name in sorted(given)
        if name not in known
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    """Compared without what all have in common."""
    by_rest = {one.removeprefix(PREFIX): one for one in sorted(known)}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), by_rest, 1)
    return f"Did you mean {by_rest[near[0]]}?" if near else "`modelyard config` lists them."
