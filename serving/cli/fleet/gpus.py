"""`modelyard gpus`: the devices, and what an admin orders about them."""

from typing import Annotated

import typer

from modelyard.registry.console import Commands, out, print_json, print_table

EXAMPLES = """
[bold]Examples[/bold]

  modelyard gpus list --json

  modelyard gpus maintenance gpu-0 --reason "new fan"

  modelyard gpus maintenance gpu-0 --off

  modelyard gpus clear GPU-5a0c1d2e-…               after an XID or memory error
"""

Device = Annotated[str, typer.Argument(help="Its id, index (gpu-0) or name, as the list shows.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    group = typer.Typer(help="Devices: maintenance, faults.", no_args_is_help=True)
    commands.root.add_typer(group, name="gpus")
    group.command("list", epilog=EXAMPLES)(list_gpus)
    group.command("maintenance", epilog=EXAMPLES)(maintenance)
    group.command("clear", epilog=EXAMPLES)(clear)


def list_gpus(as_json: AsJson = False) -> None:
    """List the devices whose workers gave a sign of life within a day."""
    from modelyard.serving.cli.fleet.devices import devices

    known = devices()
    if as_json:
        print_json(known)
        return
    rows = [(d["gpu_id"], d.get("alias"), d["name"], d["status"], d["reason"]) for d in known]
    print_table(("Device", "Index", "Name", "Status", "Why"), rows, empty="No worker is running.")


def maintenance(
    device: Device,
    off: Annotated[bool, typer.Option("--off", help="Give it back to work.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who look at it.")] = "",
) -> None:
    """Take a device out of work: nothing new is sent there, what runs may finish."""
    from modelyard.serving.cli.fleet.devices import device_named, set_maintenance

    device_id = device_named(device)
    set_maintenance(device_id, on=not off, reason=reason)
    state = "back to work" if off else "in maintenance"
    out.print(f"{device_id} is {state} within a heartbeat.", highlight=False)


def clear(device: Device) -> None:
    """Let a device work again after XID or memory errors that somebody has seen to."""
    from modelyard.serving.cli.fleet.devices import clear_faults, device_named

    device_id = device_named(device)
    clear_faults(device_id)
    out.print(f"The faults of {device_id} are cleared.", highlight=False)
