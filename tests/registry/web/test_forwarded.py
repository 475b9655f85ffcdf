"""A browser's address is believed from whoever has the dashboard's token, and nobody else."""

import pytest
from pydantic import SecretStr

from modelyard.registry.secrets import dashboard_token, known_dashboard_token
from modelyard.registry.settings import RegistrySettings, load
from modelyard.registry.web.forwarded import signed, verified

TOKEN = "t" * 32


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "a;b"])
def test_what_is_signed_is_believed(address: str) -> None:
    """Whatever form the address has."""
    assert verified(signed(address, TOKEN), TOKEN) == address


@pytest.mark.parametrize(
    "value",
    [
        "",
        "192.0.2.1",
        "192.0.2.1;",
        ";",
        "192.0.2.2;" + signed("192.0.2.1", TOKEN).rpartition(";")[2],
        signed("192.0.2.1", "u" * 32),
        "\u00e9;\udce9",
        "x" * 10_000 + signed("192.0.2.1", TOKEN),
    ],
)
def test_what_is_not_signed_is_not(value: str) -> None:
    """Nor what another token has signed, or another address."""
    assert verified(value, TOKEN) == ""


def test_a_dashboard_elsewhere_makes_no_secret_of_its_own(tmp_path: object) -> None:
    """It signs where it was given a token, or stands in the installation's folder."""
    settings = load(RegistrySettings, data_dir=tmp_path)
    assert known_dashboard_token(settings) == ""
    assert not (settings.data_dir / "secret.key").exists()
    own = dashboard_token(settings)
    assert known_dashboard_token(settings) == own
    given = settings.model_copy(update={"dashboard_token": SecretStr("g" * 16)})
    assert known_dashboard_token(given) == "g" * 16
