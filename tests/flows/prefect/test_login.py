"""What of Prefect's server is open, by method and path, whoever asks."""

import pytest

from modelyard.flows.prefect.login import is_page


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("HEAD", "/"), ("GET", "/v2/login"), ("GET", "/assets/x.js"), ("GET", "/apis")],
)
def test_the_files_of_its_pages_are_open(method: str, path: str) -> None:
    """They ask for the login themselves."""
    assert is_page({"method": method, "path": path})


def test_its_health_is_open_to_the_page() -> None:
    """Which asks for it before there is a login to show."""
    assert is_page({"method": "GET", "path": "/api/health"})
    assert not is_page({"method": "POST", "path": "/api/health"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/ready"),
        ("GET", "/api/health/"),
        ("GET", "/api/variables/name/health"),
        ("OPTIONS", "/api/deployments/filter"),
        ("OPTIONS", "/"),
        ("POST", "/"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    ],
)
def test_nothing_else_is(method: str, path: str) -> None:
    """Neither a preflight nor a path that only ends like an open one."""
    assert not is_page({"method": method, "path": path})
