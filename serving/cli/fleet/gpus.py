"""`modelyard gpus`: the devices, and what an admin orders about them."""

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.registry.console import Commands, out, print_json, print_table

if TYPE_CHECKING:
    from modelyard.registry.fleet.fleet import Fleet, WorkerView

EXAMPLES = """
[bold]Examples[/bold]

  modelyard gpus list --json

  modelyard gpus maintenance gpu-… --reason "new fan"

  modelyard gpus maintenance gpu-… --off

  modelyard gpus clear gpu-…                          after an XID or memory error
"""
SHOWN_S = 86_400.0

Device = Annotated[str, typer.Argument(help="The device's id, as the list shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    group = typer.Typer(help="Devices: maintenance, faults.", no_args_is_help=True)
    commands.root.add_typer(group, name="gpus")
    group.command("list", epilog=EXAMPLES)(list_gpus)
    group.command("maintenance", epilog=EXAMPLES)(maintenance)
    group.command("clear", epilog=EXAMPLES)(clear)


def list_gpus(as_json: AsJson = False) -> None:
    """List the devices whose workers gave a sign of life within a day."""
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        workers = registry.fleet.workers(SHOWN_S)
    if as_json:
        print_json([worker.device.as_json() | {"gpu_id": worker.device_id} for worker in workers])
        return
    rows = [(w.device_id, w.device.name, w.device.status, w.device.reason) for w in workers]
    print_table(("Device", "Name", "Status", "Why"), rows, empty="No worker is running.")


def maintenance(
    device: Device,
    off: Annotated[bool, typer.Option("--off", help="Give it back to work.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who look at it.")] = "",
) -> None:
    """Take a device out of work: nothing new is sent there, what runs may finish."""
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        worker = _worker(registry.fleet, device)
        registry.device_orders.set_maintenance(
            worker.device_id, on=not off, reason=reason, by="command line"
        )
    state = "back to work" if off else "in maintenance"
    out.print(f"{worker.device_id} is {state} within a heartbeat.", highlight=False)


def clear(device: Device) -> None:
    """Let a device work again after XID or memory errors that somebody has seen to."""
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        worker = _worker(registry.fleet, device)
        registry.device_orders.clear(
            worker.device_id, ecc_errors=worker.device.ecc_errors, by="command line"
        )
    out.print(f"The faults of {worker.device_id} are cleared.", highlight=False)


def _worker(fleet: "Fleet", device: str) -> "WorkerView":
    from modelyard.serving.errors import NotFound

    worker = fleet.worker(device)
    if worker is None:
        raise NotFound(
            f"There is no device '{device[:100]}'.", fix="`modelyard gpus list` lists them."
        )
    return worker
