"""`modelyard gateway`: the HTTP door, one process; start as many as you like behind a proxy."""

import gc
import json
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from modelyard.registry.console import Commands, out
from modelyard.registry.process.ports import listen

if TYPE_CHECKING:
    import socket

    from modelyard.serving.settings import GatewaySettings
    from modelyard.serving.transport.listening.connections import Connections

EXAMPLES = """
[bold]Examples[/bold]

  modelyard gateway                                    on http://127.0.0.1:8080

  modelyard gateway --host 0.0.0.0 --port 80           for other machines: put TLS in front

  modelyard gateway --port 0 --ready-file ready.json   any free port; the file tells which
"""


SELDOM = (20_000, 20, 20)
"""Collections of garbage: a request leaves no cycles behind, looking for them is in vain."""


def attach(commands: Commands) -> None:
    commands.root.command("gateway", epilog=EXAMPLES)(gateway)


def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen on; usual: loopback.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Usual: 8080; 0: any free one.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help='Written as JSON {"url": …} once the gateway answers.')
    ] = None,
) -> None:
    """Serve the API: OpenAI's under /v1, Modelyard's own under /api/v1."""
    from modelyard.registry.settings import load
    from modelyard.serving.settings import GatewaySettings

    given = {"host": host, "port": port}
    settings = load(GatewaySettings, **{k: v for k, v in given.items() if v is not None})
    with listen(settings.port, "--port", settings.host) as listener:
        _first_start()
        _serve(settings, listener, ready_file)


def _first_start() -> None:
    """Where nobody is known yet, make the admin and hand over its key."""
    from modelyard.serving.cli.context import installation
    from modelyard.serving.cli.first_key import hand_over

    with installation() as registry:
        if key := registry.identity.first_admin():
            hand_over(key, registry.settings.data_dir)


def _serve(settings: "GatewaySettings", listener: "socket.socket", ready_file: Path | None) -> None:
    from modelyard.serving.api.notices.socket import PATH as SOCKET
    from modelyard.serving.api.services import end_streams
    from modelyard.serving.asgi import create_app
    from modelyard.serving.transport.announcing import GatewayServer
    from modelyard.serving.transport.listening.serve import bounded
    from modelyard.serving.transport.protocol import GatewayProtocol
    from modelyard.serving.transport.unread import Unread

    def ready(url: str) -> None:
        gc.collect()
        gc.freeze()  # what is here now stays: no later collection looks at it again
        gc.set_threshold(*SELDOM)
        out.print(f"Gateway on {url}", highlight=False)
        if ready_file is not None:
            draft = ready_file.with_name(f".{ready_file.name}.draft")
            draft.write_text(json.dumps({"url": url}))
            draft.replace(ready_file)

    unread = Unread(settings.unread_timeout_s, settings.unread_bytes)
    app = create_app(settings)
    config = bounded(
        app,
        _connections(settings),
        partial(GatewayProtocol, unread=unread, sockets=frozenset({SOCKET.encode()})),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=8,
    )
    # uvicorn ends in good order and then raises the signal again: this time it is just the end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    GatewayServer(config, ready, unread, partial(end_streams, app.state)).run(sockets=[listener])


def _connections(settings: "GatewaySettings") -> "Connections":
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from modelyard.serving.transport.listening.connections import Connections
    from modelyard.serving.transport.listening.descriptors import raised, room_of

    # The same reading of the setting as where a proxy's word is believed.
    proxies = ProxyHeadersMiddleware(_no_app, settings.trusted_proxies or []).trusted_hosts
    return Connections(
        most=room_of(raised()),
        waiting_each=settings.address_connections,
        is_proxy=lambda address: address in proxies,
    )


async def _no_app(*_: object) -> None:
    """Stands where there is no application behind."""


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
