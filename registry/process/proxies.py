"""Keeps requests to this machine's own servers from going through a proxy."""

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def reach_loopback_directly() -> None:
    """Add this machine to NO_PROXY, for this process and its children.

    Our own clients ignore proxies for our own servers; libraries that talk to them (Prefect's,
    MLflow's) read the environment. A proxy would look for 127.0.0.1 at its own machine.
    """
    for variable in ("NO_PROXY", "no_proxy"):
        listed = [host.strip() for host in os.environ.get(variable, "").split(",") if host.strip()]
        if "*" not in listed:
            missing = [host for host in LOOPBACK if host not in listed]
            os.environ[variable] = ",".join([*listed, *missing])
