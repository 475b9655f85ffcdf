"""The state file of a running `modelyard up`: addresses, keys and process ids."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunningUp:
    """Base URLs without a path; `pids` are keyed by service name.

    Only the demo sets the last three: its model's name, its Hub and that Hub's token.
    """

    gateway_url: str = ""
    dashboard_url: str = ""
    prefect_url: str = ""
    admin_key: str = field(default="", repr=False)
    prefect_login: str = field(default="", repr=False)
    metrics_token: str = field(default="", repr=False)
    pids: Mapping[str, int] = field(default_factory=dict[str, int])
    demo_model: str | None = None
    hub_url: str | None = None
    hub_token: str | None = field(default=None, repr=False)


def running_file(data_dir: Path) -> Path:
    """The state file of the `up` on this data folder; it exists only while `up` runs."""
    return data_dir / "run" / "up.json"


def read_running(data_dir: Path) -> RunningUp | None:
    """The state of the `up` on this data folder; None if none runs or the file is broken."""
    try:
        told = json.loads(running_file(data_dir).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    known = {each.name for each in fields(RunningUp)}
    return RunningUp(**{str(name): value for name, value in told.items() if name in known})


def write_running(file: Path, running: RunningUp) -> None:
    """Write the file atomically, readable by its owner only, because it holds keys."""
    told = {name: value for name, value in asdict(running).items() if value is not None}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(told, indent=2))
    temporary.replace(file)
