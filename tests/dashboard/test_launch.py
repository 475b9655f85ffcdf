"""Streamlit is started so that nothing leaves the machine and nobody foreign comes in."""

import re
import socket

import pytest

from dashboard.launch import command, environment
from dashboard.settings import DashboardSettings
from registry.errors import PortInUse, SettingsInvalid
from registry.settings import load


def flags(host: str = "127.0.0.1") -> list[str]:
    return command(DashboardSettings(dashboard_host=host, dashboard_port=0))


def test_it_sends_no_telemetry_and_shows_no_traceback() -> None:
    """The browser gets neither a statistics script nor the inside of an error."""
    given = flags()
    assert "--browser.gatherUsageStats=false" in given
    assert "--client.showErrorDetails=none" in given
    assert "--server.enableXsrfProtection=true" in given
    assert "--server.fileWatcherType=none" in given


def test_on_loopback_only_loopback_names_are_answered() -> None:
    """A page of a foreign site that resolves its name to 127.0.0.1 gets no session."""
    assert "--server.allowedHosts=127.0.0.1" in flags()
    assert not [flag for flag in flags("::") if "allowedHosts" in flag]


def test_a_taken_port_is_named_with_the_way_out() -> None:
    """The message tells the port and the option, before anything is started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port}.*--port"):
            command(DashboardSettings(dashboard_port=port))


def test_the_page_gets_the_settings_of_the_command() -> None:
    """What the command was given wins over what the page would read by itself."""
    settings = DashboardSettings(gateway_url="http://gpu1:8080/", refresh_s=5)
    told = environment(settings)
    assert told == {"MODELYARD_GATEWAY_URL": "http://gpu1:8080", "MODELYARD_REFRESH_S": "5.0"}


@pytest.mark.parametrize("address", ["gpu1:8080", "http://", "http://gpu1:port", "http://[::1"])
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The variable and its value are in the message, before any page is opened."""
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", address)
    with pytest.raises(SettingsInvalid, match=re.escape(f"MODELYARD_GATEWAY_URL='{address}'")):
        load(DashboardSettings)
