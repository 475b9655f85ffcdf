"""Everything on one machine: start it, tell where it answers, end it."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.console import out
from registry.ports import choose_port, prefer_port
from registry.settings import RegistrySettings, load
from serving.cli import demo
from serving.cli.holding import admin_key, alone_on
from serving.cli.services import Ports, hub, services
from serving.cli.supervise import Service, Supervisor
from serving.worker.devices import discover

START_S = 180.0
"""Seconds until a service must answer; Prefect's first start migrates its database."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked of one `up`; a port of None is the usual one where it is free."""

    port: int
    dashboard_port: int | None
    prefect_port: int | None
    ready_file: Path | None
    demo: bool
    once: bool

    def ports(self) -> Ports:
        return Ports(
            choose_port(self.port, "--port"),
            self._side_port(self.dashboard_port, 8501, "--dashboard-port"),
            self._side_port(self.prefect_port, 4200, "--prefect-port"),
            choose_port(0, ""),
        )

    def _side_port(self, wanted: int | None, usual: int, option: str) -> int:
        if wanted is None and self.port:
            return prefer_port(usual)
        return choose_port(wanted or 0, option)


@dataclass(slots=True)
class Up:
    """One run of everything: its addresses, its key, and the files that tell them."""

    data: Path
    ports: Ports
    admin_key: str
    ready_files: list[Path]
    demo_model: str | None = None
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.data / "logs", self.tell, out.print)

    @property
    def facts(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "gateway_url": self.ports.gateway_url,
            "dashboard_url": self.ports.dashboard_url,
            "prefect_url": self.ports.prefect_url.removesuffix("/api"),
            "admin_key": self.admin_key,
            "pids": {"up": os.getpid(), **self.supervisor.pids},
        }
        return told | ({"demo_model": self.demo_model} if self.demo_model else {})

    def tell(self) -> None:
        for file in self.ready_files:
            write_private(file, json.dumps(self.facts, indent=2))


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only: it holds a key."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(file)


def run_until_ended(wish: Wish) -> None:
    """Start everything and stay until Ctrl-C or SIGTERM; raises what keeps it from starting."""
    settings = load(RegistrySettings)
    if wish.ready_file is not None:
        wish.ready_file.unlink(missing_ok=True)  # whoever waits for it must not read an old one
    with alone_on(settings.data_dir), admin_key(settings) as key:
        here = settings.data_dir / "run" / "up.json"
        asyncio.run(_run(Up(settings.data_dir, wish.ports(), key, [here]), wish))


async def _run(run: Up, wish: Wish) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    work = asyncio.create_task(_start(run, wish))
    stop = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # a failed start is raised here, after which everything ends
            if not wish.once:
                out.print("Ctrl-C ends everything.", style="dim")
                await stop
    finally:
        work.cancel()
        stop.cancel()
        await run.supervisor.stop()


async def _start(run: Up, wish: Wish) -> None:
    extra = {"MODELYARD_DATA_DIR": str(run.data)}
    devices = [device.device_id for device in discover()]
    wanted = services(run.data, run.ports, devices, extra | _demo_env(run, wish))
    await _all_answer(run, [hub(run.ports), *wanted] if wish.demo else wanted)
    run.tell()
    if wish.demo:
        run.demo_model = await demo.ingest_and_ask(run.ports, extra)
    run.ready_files += [wish.ready_file] if wish.ready_file else []
    run.tell()
    _say_where(run)


def _demo_env(run: Up, wish: Wish) -> dict[str, str]:
    return {"HF_ENDPOINT": run.ports.hub_url} if wish.demo else {}


async def _all_answer(run: Up, wanted: list[Service]) -> None:
    with out.status("Starting…") as status:
        for service in wanted:
            if not service.last:
                await run.supervisor.start(service)
        for service in sorted(wanted, key=lambda s: s.last):
            status.update(f"Waiting for {service.name}…")
            if service.last:
                await run.supervisor.start(service)
            await run.supervisor.answers(service, START_S)
            out.print(f"[green]✓[/green] {service.name}")


def _say_where(run: Up) -> None:
    out.print(f"\nAPI        {run.ports.gateway_url}/v1   (OpenAI-compatible)", highlight=False)
    out.print(f"Dashboard  {run.ports.dashboard_url}", highlight=False)
    out.print(f"Prefect    {run.ports.prefect_url.removesuffix('/api')}", highlight=False)
    out.print(f"Key        in {run.data / 'run' / 'up.json'}", highlight=False)
