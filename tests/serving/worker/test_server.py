"""A worker listens where it is told, so that Prometheus finds it."""

import pytest

from modelyard.registry.errors import PortInUse
from modelyard.registry.process.ports import choose_port
from modelyard.registry.settings import load
from modelyard.serving.worker.server import listen
from modelyard.serving.worker.settings import WorkerSettings


def test_a_worker_has_the_port_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its setting; one that is taken is told with the way out."""
    port = choose_port(0, "--port")
    monkeypatch.setenv("MODELYARD_WORKER_PORT", str(port))
    settings = load(WorkerSettings)
    listener, url = listen(settings.worker_host, settings.worker_port)
    with listener:
        assert url == f"http://127.0.0.1:{port}"
        with pytest.raises(PortInUse, match=f"port {port}.*--port"):
            listen(settings.worker_host, settings.worker_port)
