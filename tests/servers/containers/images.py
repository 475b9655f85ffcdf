"""What the images of docker-compose.yml start, done with the programs of this machine.

Our own image is read from its Dockerfile, and its commands are those of this environment. No
Qdrant server can be had as a package: a process that speaks its interface takes its place.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.containers.compose import ROOT, ComposeService
from tests.servers.postgres import programs

_INSTRUCTION = re.compile(r"^(ENV|ENTRYPOINT|CMD) (.*)$", re.MULTILINE)
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ContainerStart:
    """A program with its whole environment, and the folder it starts in, else one of its own."""

    argv: list[str]
    environment: dict[str, str]
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """The last stage of a Dockerfile, as far as it says what is started."""

    entrypoint: list[str]
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def ours(cls) -> "Image":
        *_, last = (ROOT / "deployments" / "Dockerfile").read_text().split("\nFROM ")
        said = {name: text for name, text in _INSTRUCTION.findall(last) if name != "ENV"}
        words = (word for name, text in _INSTRUCTION.findall(last) if name == "ENV"
                 for word in shlex.split(text))  # fmt: skip
        environment = dict(word.split("=", 1) for word in words)
        return cls(json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"]), environment)


def start_of(service: ComposeService) -> ContainerStart:
    """How a service is started here; a KeyError for an image that nobody has told us of."""
    return _KINDS[service.image.split(":")[0]](service)


def _ours(service: ComposeService) -> ContainerStart:
    image = Image.ours()
    argv = image.entrypoint if service.entrypoint is None else service.entrypoint
    rest = image.command if service.entrypoint is None else []
    argv = [*argv, *(rest if service.command is None else service.command)]
    path = f"{Path(sys.executable).parent}:{_SYSTEM_PATH}"
    return ContainerStart(argv, {**image.environment, **service.environment, "PATH": path})


def _postgres(service: ComposeService) -> ContainerStart:
    """As its entrypoint: a cluster whose owner needs the password from anywhere but inside."""
    (data,) = service.volumes.values()
    there = {"PGDATA": data, "PGHOST": "/run/postgresql", "PATH": f"{programs()}:{_SYSTEM_PATH}"}
    return ContainerStart(
        ["sh", "-euc", _POSTGRES], {**service.environment, **there, "AS": _unprivileged()}
    )


_POSTGRES = """
mkdir -p "$PGDATA" "$PGHOST"
printf %s "$POSTGRES_PASSWORD" >"$PGDATA.password"
if [ "${AS#setpriv}" != "$AS" ]; then chown -R postgres "$(dirname "$PGDATA")" "$PGHOST"; fi
$AS initdb --username="$POSTGRES_USER" --pwfile="$PGDATA.password" --auth=trust --no-sync >/dev/null
echo "host all all all scram-sha-256" | $AS tee -a "$PGDATA/pg_hba.conf" >/dev/null
echo "CREATE DATABASE $POSTGRES_DB" | $AS postgres --single -D "$PGDATA" postgres >/dev/null
exec $AS postgres -c listen_addresses='*' -c unix_socket_directories="$PGHOST" -c fsync=off
"""


def _unprivileged() -> str:
    """PostgreSQL refuses to be root, and in a namespace of ours everybody is."""
    if os.geteuid() == 0:
        return "setpriv --reuid postgres --regid postgres --clear-groups"
    return "unshare --user --map-user=1000 --map-group=1000"


def _redis(service: ComposeService) -> ContainerStart:
    assert service.command is not None
    return ContainerStart(service.command, {**service.environment, "PATH": _SYSTEM_PATH})


def _qdrant(service: ComposeService) -> ContainerStart:
    argv = [sys.executable, "-m", "tests.servers.qdrant_process"]
    return ContainerStart(argv, {**service.environment, "PATH": _SYSTEM_PATH}, ROOT)


_KINDS: Mapping[str, Callable[[ComposeService], ContainerStart]] = {
    "modelyard": _ours,
    "postgres": _postgres,
    "redis": _redis,
    "qdrant/qdrant": _qdrant,
}
