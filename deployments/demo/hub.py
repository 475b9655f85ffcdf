"""A local server that speaks the Hugging Face Hub's protocol over a folder of models.

The real `huggingface_hub` works against it unmodified, with HF_ENDPOINT set to its address. A
model is a folder ROOT/owner/name; an optional `.hub.json` in it says what `repository.Card` holds.

Examples:
  python -m modelyard.deployments.demo.hub --port 8090
  python -m modelyard.deployments.demo.hub --root models --token secret --ready-file hub.json
  python -m modelyard.deployments.demo.hub --faults      (tests) POST /__fault, GET /__stats

With MODELYARD_DEMO_HUB_TOKEN in the environment it answers nobody who does not show that token.
"""

import argparse
import json
import os
import socket
from collections.abc import Set as AbstractSet
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from modelyard.deployments.demo import refusal
from modelyard.deployments.demo.access import Access, Members
from modelyard.deployments.demo.faults import Faults
from modelyard.deployments.demo.files import Files
from modelyard.deployments.demo.metadata import Metadata
from modelyard.deployments.demo.repository import HubRepositories

TOKEN = "MODELYARD_DEMO_HUB_TOKEN"  # noqa: S105 - its name
BUNDLED = Path(__file__).with_name("models")


def make_app(root: Path, tokens: AbstractSet[str], *, faults: bool, members: str) -> Starlette:
    """The Hub over `root`; `tokens` open private and gated models, `faults` the test doors.

    With a token for `members` it is closed to everybody else.
    """
    access = Access(HubRepositories(root), frozenset(tokens) | {members} - {""})
    weather = Faults()
    doors = weather.routes if faults else []
    return Starlette(
        routes=[*doors, *Metadata(access).routes, *Files(access, weather).routes],
        middleware=[Middleware(Members, token=members)] if members else [],
        exception_handlers={refusal.Refusal: refusal.answer, 404: refusal.unknown_address},
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m modelyard.deployments.demo.hub",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, default=BUNDLED, help="default: the bundled models")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port (default)")
    parser.add_argument("--ready-file", type=Path, help="gets {url} as JSON once we listen")
    parser.add_argument("--token", action="append", default=[], help="may be given repeatedly")
    parser.add_argument("--faults", action="store_true", help="for tests: faults on demand")
    return parser.parse_args()


def announce(url: str, ready_file: Path | None) -> None:
    """Write the ready file in one move, so that a reader never sees half of it."""
    if ready_file:
        part = ready_file.with_name(ready_file.name + ".part")
        part.write_text(json.dumps({"url": url}))
        part.replace(ready_file)


def main() -> None:
    given = arguments()
    if not given.root.is_dir():
        raise SystemExit(f"there is no folder {given.root}")
    # uvicorn announces its port in its log only, so we open the socket ourselves.
    listener = socket.create_server((given.host, given.port), backlog=512)
    members = os.environ.get(TOKEN, "")
    app = make_app(given.root, frozenset(given.token), faults=given.faults, members=members)
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1, server_header=False
    )
    announce(f"http://{given.host}:{listener.getsockname()[1]}", given.ready_file)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
