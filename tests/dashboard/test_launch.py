"""Streamlit is started so that nothing leaves the machine and nobody foreign comes in."""

import re
import socket
from pathlib import Path
from typing import cast

import pytest

from modelyard.dashboard.launch import command, environment
from modelyard.dashboard.server import options
from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.errors import PortInUse, SettingsInvalid
from modelyard.registry.settings import load


def test_it_sends_no_telemetry_and_shows_no_traceback() -> None:
    """The browser gets neither a statistics script nor the inside of an error."""
    given = options("127.0.0.1", 8501)
    assert given["browser.gatherUsageStats"] is False
    assert given["client.showErrorDetails"] == "none"
    assert given["server.enableXsrfProtection"] is True
    assert given["server.fileWatcherType"] == "none"
    assert given["client.allowedOrigins"] == []  # nobody steers the page from a frame around it


def test_on_loopback_only_loopback_names_are_answered() -> None:
    """A page of a foreign site that resolves its name to 127.0.0.1 gets no session."""
    hosts = options("127.0.0.1", 8501)["server.allowedHosts"]
    assert set(cast("list[str]", hosts)) == {"127.0.0.1", "localhost", "::1"}
    assert "server.allowedHosts" not in options("::", 8501)


def test_it_imports_nothing_of_the_folder_it_is_started_in() -> None:
    """Whose folder that is does not decide what runs."""
    argv = command(DashboardSettings(dashboard_port=0))
    assert argv[1:5] == ["-P", "-m", "modelyard.dashboard.server", "--host"]


def test_a_taken_port_is_named_with_the_way_out() -> None:
    """The message tells the port and the option, before anything is started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port}.*--port"):
            command(DashboardSettings(dashboard_port=port))


def test_the_page_gets_the_settings_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command was given wins over what the page would read by itself."""
    monkeypatch.setenv("MODELYARD_DASHBOARD_TOKEN", "t" * 16)
    settings = DashboardSettings(
        gateway_url="http://gpu1:8080/", prefect_ui_url="http://gpu1:4200", refresh_s=5
    )
    told = environment(settings)
    assert told == {
        "MODELYARD_GATEWAY_URL": "http://gpu1:8080",
        "MODELYARD_PREFECT_UI_URL": "http://gpu1:4200",
        "MODELYARD_MLFLOW_UI_URL": "",
        "MODELYARD_REFRESH_S": "5.0",
        "MODELYARD_DASHBOARD_TOKEN": "t" * 16,
    }


def test_the_page_reads_the_file_of_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Wherever the server's own folder is; where there is no file none is named."""
    monkeypatch.chdir(tmp_path)
    assert "MODELYARD_CONFIG" not in environment(DashboardSettings())
    (tmp_path / "modelyard.toml").write_text("refresh_s = 3\n")
    assert environment(DashboardSettings())["MODELYARD_CONFIG"] == str(tmp_path / "modelyard.toml")


@pytest.mark.parametrize(
    "address", ["gpu1:8080", "http://", "http://gpu1:port", "http://[::1", "http://gpu1/v1"]
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The variable and its value are in the message, before any page is opened."""
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", address)
    with pytest.raises(SettingsInvalid, match=re.escape(f"MODELYARD_GATEWAY_URL='{address}'")):
        load(DashboardSettings)
