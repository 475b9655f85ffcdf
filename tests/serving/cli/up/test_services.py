"""Where the services of one `up` listen, and where they are found."""

from pathlib import Path

import pytest

from modelyard.serving.cli.up.services import Keys, LocalServices, Ports

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens in this test
KEYS = Keys(admin="a", prefect="p:p", metrics="m", hub="h")


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("10.0.0.7",) * 2]
)
def test_gateway_and_dashboard_listen_where_it_is_said(
    host: str, here: str, tmp_path: Path
) -> None:
    """As in a container; all else stays on loopback, and children call this machine."""
    services = LocalServices(tmp_path, Ports(1, 2, 3, 4, host), KEYS, {})
    told = {service.name: service for service in services.all(["cpu-0"])}
    for name in ("gateway", "dashboard"):
        argv = told[name].argv
        assert argv[argv.index("--host") + 1] == host
        assert told[name].ready_url.startswith(f"http://{here}:")
    for name in ("prefect", "worker-cpu-0"):
        assert "--host" not in told[name].argv
    assert told["dashboard"].env["MODELYARD_GATEWAY_URL"] == f"http://{here}:1"
    assert services.ports.prefect_url == "http://127.0.0.1:3/api"
