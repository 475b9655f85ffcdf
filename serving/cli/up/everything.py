"""Everything on one machine: start it, tell where it answers, end it."""

import asyncio
import os
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.registry.console import out
from modelyard.registry.process.ports import LOOPBACK, choose_port, prefer_port
from modelyard.registry.running import RunningUp, running_file, write_running
from modelyard.registry.secrets import metrics_token, prefect_login, secret_key
from modelyard.registry.settings import RegistrySettings, load
from modelyard.serving.cli.up import demo
from modelyard.serving.cli.up.instance_lock import admin_key, alone_on
from modelyard.serving.cli.up.pinned import pinned
from modelyard.serving.cli.up.services import Keys, LocalServices, Ports
from modelyard.serving.cli.up.supervise import Service, Supervisor
from modelyard.serving.settings import GatewaySettings
from modelyard.serving.worker.devices.detect import discover
from modelyard.serving.worker.settings import WorkerSettings

START_S = 180.0
"""Seconds until a service must answer; Prefect's first start migrates its database."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user asked of one `up`; a port of None is the usual one where it is free."""

    port: int
    dashboard_port: int | None
    prefect_port: int | None
    ready_file: Path | None
    host: str
    demo: bool
    once: bool

    def ports(self) -> Ports:
        return Ports(
            choose_port(self.port, "--port", self.host),
            self._side_port(self.dashboard_port, 8501, "--dashboard-port", self.host),
            self._side_port(self.prefect_port, 4200, "--prefect-port", LOOPBACK),
            choose_port(0, ""),
            self.host,
        )

    def _side_port(self, wanted: int | None, usual: int, option: str, host: str) -> int:
        if wanted is None and self.port:
            return prefer_port(usual, host)
        return choose_port(wanted or 0, option, host)


@dataclass(slots=True)
class Up:
    """One run of everything: its addresses, its keys, and the files that tell them."""

    services: LocalServices
    ready_files: list[Path]
    demo_model: str | None = None
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        data = self.services.data
        self.supervisor = Supervisor(data / "logs", data / "run", self.tell, out.print)

    @property
    def running(self) -> RunningUp:
        ports = self.services.ports
        keys = self.services.keys
        return RunningUp(
            gateway_url=ports.gateway_url,
            dashboard_url=ports.dashboard_url,
            prefect_url=ports.prefect_url.removesuffix("/api"),
            admin_key=keys.admin,
            prefect_login=keys.prefect,
            metrics_token=keys.metrics,
            pids={"up": os.getpid(), **self.supervisor.pids},
            demo_model=self.demo_model,
            hub_url=ports.hub_url if self.demo_model else None,
            hub_token=keys.hub if self.demo_model else None,
        )

    def tell(self) -> None:
        for file in self.ready_files:
            write_running(file, self.running)


def run_until_ended(wish: UpOptions) -> None:
    """Start everything and stay until Ctrl-C or SIGTERM; raises what keeps it from starting."""
    settings = load(RegistrySettings)
    if wish.ready_file is not None:
        wish.ready_file.unlink(missing_ok=True)  # whoever waits for it must not read an old one
    with alone_on(settings.data_dir):
        load(WorkerSettings)  # a wrong value is refused before anything starts
        ports = wish.ports()  # and a taken port before a key is made
        with admin_key(settings) as key:
            here = running_file(settings.data_dir)
            asyncio.run(_run(Up(_services(settings, key, ports, wish), [here]), wish))


def _services(
    settings: RegistrySettings, admin: str, ports: Ports, wish: UpOptions
) -> LocalServices:
    keys = Keys(
        admin=admin,
        prefect=prefect_login(secret_key(settings)),
        metrics=metrics_token(settings),
        hub=secrets.token_urlsafe(32),
    )
    shared = pinned(settings, load(GatewaySettings))
    if wish.demo:
        shared |= {"HF_ENDPOINT": ports.hub_url, "HF_TOKEN": keys.hub}
    return LocalServices(settings.data_dir, ports, keys, shared)


async def _run(run: Up, wish: UpOptions) -> None:
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


async def _start(run: Up, wish: UpOptions) -> None:
    services = run.services
    wanted = services.all([device.device_id for device in discover()])
    await _all_answer(run, [services.hub(), *wanted] if wish.demo else wanted)
    run.tell()
    if wish.demo:
        run.demo_model = await demo.ingest_and_ask(services, run.supervisor.folder)
    run.ready_files += [wish.ready_file] if wish.ready_file else []
    run.tell()
    _say_where(run)


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
    ports = run.services.ports
    prefect = run.running.prefect_url
    out.print(f"\nAPI        {ports.gateway_url}/v1   (OpenAI-compatible)", highlight=False)
    out.print(f"Dashboard  {ports.dashboard_url}   (asks for `admin_key`)", highlight=False)
    out.print(f"Prefect    {prefect}   (asks for `prefect_login`)", highlight=False)
    if run.demo_model:
        out.print(f"Demo Hub   {ports.hub_url}   (asks for `hub_token`)", highlight=False)
    out.print(f"Keys       in {run.ready_files[0]}, while it runs", highlight=False)
