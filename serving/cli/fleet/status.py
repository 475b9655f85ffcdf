"""`modelyard status`: what runs, as the gateway sees it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.registry.console import Commands, out, print_json, print_table
from modelyard.registry.running import read_running, running_file
from modelyard.registry.settings import RegistrySettings, load

if TYPE_CHECKING:
    import httpx2

EXAMPLES = """
[bold]Examples[/bold]

  modelyard status

  modelyard status --json | jq -r '.devices[].status'

Exit code 0: ready; 1: the gateway answers but is not ready; 10: it does not answer.
"""


def attach(commands: Commands) -> None:
    commands.root.command("status", epilog=EXAMPLES)(status)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the gateway, the devices, the loaded versions, the runs, and where the pages are."""
    from modelyard.serving.cli.connection import find

    connection = find()
    with connection.client() as client:
        seen: dict[str, Any] = {
            "gateway": {"url": connection.url, **client.get("/health/ready").json()},
            "devices": _get(client, "/api/v1/gpus")["gpus"],
            "models": _get(client, "/api/v1/models")["models"],
            "runs": _recent(_get(client, "/api/v1/runs?limit=10")["runs"]),
            "pages": _pages(connection.url),
        }
    if as_json:
        print_json(seen)
    else:
        _show(seen)
    if seen["gateway"]["status"] != "ready":
        raise typer.Exit(1)


def _get(client: "httpx2.Client", path: str) -> dict[str, Any]:
    from modelyard.serving.cli.connection import check

    response = client.get(path)
    check(response)
    return response.json()


def _recent(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs that go on, and those that ended within a day; the dashboard has them all."""
    day_ago = datetime.now(UTC) - timedelta(days=1)
    return [
        run
        for run in runs
        if run["state"] == "running" or datetime.fromisoformat(run["updated_at"]) > day_ago
    ]


def _pages(gateway_url: str) -> dict[str, str]:
    """Of the `up` that the gateway belongs to: what people open, and where the keys for it lie."""
    data_dir = load(RegistrySettings).data_dir
    running = read_running(data_dir)
    if running is None or running.gateway_url != gateway_url:
        return {}
    pages = {"dashboard": running.dashboard_url, "prefect": running.prefect_url}
    return pages | {"keys": str(running_file(data_dir))}


def _show(seen: dict[str, Any]) -> None:
    gateway = seen["gateway"]
    reasons = f": {'; '.join(gateway['reasons'])}" if gateway["reasons"] else ""
    out.print(f"Gateway {gateway['url']} is {gateway['status']}{reasons}\n", highlight=False)
    if pages := seen["pages"]:
        out.print(f"Dashboard {pages['dashboard']} asks for `admin_key`,", highlight=False)
        out.print(f"Prefect {pages['prefect']} for `prefect_login`,", highlight=False)
        out.print(f"both in {pages['keys']}\n", highlight=False, soft_wrap=True)
    print_table(
        ("Device", "Name", "Status", "Memory", "Load", "Requests"),
        [_device(device) for device in seen["devices"]],
        empty="No device: `modelyard worker` brings one.",
    )
    out.print()
    print_table(
        ("Loaded version", "Device", "State", "Memory", "Restarts", ""),
        [row for model in seen["models"] for row in _engines(model)],
        empty="No version is loaded; the first request loads one.",
    )
    out.print()
    print_table(
        ("Run", "Subject", "State", "Step", "Progress", ""),
        [_run(run) for run in seen["runs"]],
        empty="No lifecycle run today: `modelyard models add REPO` starts one.",
    )


def _device(device: dict[str, Any]) -> tuple[object, ...]:
    from modelyard.registry.store.capacity import size_text

    used = device["memory_used"]
    total = device["memory_total"]
    load = device["utilization"]
    memory = f"{size_text(used)} of {size_text(total)}" if used and total else "unknown"
    busy = "unknown" if load is None else f"{load:.0%}"
    requests = device["active_requests"]
    return (device["gpu_id"], device["name"], device["status"], memory, busy, requests)


def _engines(model: dict[str, Any]) -> list[tuple[object, ...]]:
    from modelyard.registry.store.capacity import size_text

    return [
        (
            f"{model['name']}@{version['number']}",
            engine["device_id"],
            engine["state"],
            size_text(engine["memory_bytes"]),
            engine["restarts"],
            engine["error"],
        )
        for version in model["versions"]
        for engine in version["engines"]
    ]


def _run(run: dict[str, Any]) -> tuple[object, ...]:
    progress = f"{run['done'] / run['total']:.0%}" if run["total"] else ""
    return (run["flow"], run["subject"], run["state"], run["step"], progress, run["message"])
