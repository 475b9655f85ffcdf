"""A Prefect server that never runs open: Prefect's own, behind a login and for its own pages.

`python -m modelyard.flows.prefect.server --port 4200` takes the login from
PREFECT_SERVER_API_AUTH_STRING. With `--fd N` it listens on a socket that it is handed, with
`--temporary` it has no pages.
"""

import argparse
import os
import socket
from typing import cast

import uvicorn

from modelyard.flows.prefect.login import API, behind_login
from modelyard.flows.prefect.parent_watch import end_with
from modelyard.registry.process.ports import LOOPBACK, listen
from modelyard.registry.web.origins import App

LOGIN = "PREFECT_SERVER_API_AUTH_STRING"
END_S = 3
"""Seconds that running requests get to finish at shutdown."""

# Overrides Prefect profiles: no other origins, pages call the API at their own address, and nobody
# is told who uses them.
_CLOSED = {
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "",
    "PREFECT_UI_API_URL": API,
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def main() -> None:
    given = _arguments()
    login = os.environ.get(LOGIN, "")
    if not login:
        raise SystemExit(f"{LOGIN} is not set: this server has to ask for a login.")
    os.environ.update(_CLOSED)
    if given.parent is not None:
        end_with(given.parent, grace_s=2 * END_S)
    listener = (
        socket.socket(fileno=given.fd)
        if given.fd is not None
        else listen(given.port, "--port", given.host)
    )
    app = behind_login(_prefect(temporary=given.temporary), login, given.host)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=END_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _prefect(*, temporary: bool) -> App:
    from prefect.server.api.server import create_app

    return cast("App", create_app(final=True, ephemeral=temporary))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="modelyard.flows.prefect.server", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument("--fd", type=int, help="a listening socket, instead of host and port")
    parser.add_argument("--parent", type=int, help="end once this process is gone")
    parser.add_argument("--temporary", action="store_true", help="for one command: no pages")
    return parser.parse_args()


if __name__ == "__main__":
    main()
