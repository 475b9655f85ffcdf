"""Ports that cannot be listened on are refused with what to do about it."""

import pytest

from modelyard.registry.errors import PortInUse
from modelyard.registry.process.ports import choose_port, listen


def test_a_taken_port_names_the_option() -> None:
    """What holds it may also be ended."""
    with listen(0, "--port", "127.0.0.1") as held:
        port = int(held.getsockname()[1])
        with pytest.raises(PortInUse) as refused:
            choose_port(port, "--port")
    assert "--port" in refused.value.fix


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_the_mistake(host: str) -> None:
    """No other port would help."""
    with pytest.raises(PortInUse) as refused:
        choose_port(0, "--port", host)
    assert host in refused.value.message
    assert "no such address" in refused.value.message
    assert "127.0.0.1" in refused.value.fix
