"""What a setting names is the same for every process, in whatever folder that stands."""

from pathlib import Path

import pytest

from modelyard.registry.settings import RegistrySettings, load


@pytest.mark.parametrize("name", ["database_url", "mlflow_uri"])
def test_a_file_of_sqlite_is_meant_by_its_whole_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was meant where the setting was read; other addresses stay as they are."""
    monkeypatch.chdir(tmp_path)
    told = {"sqlite:///data/a.db": f"sqlite:///{tmp_path}/data/a.db"}
    told |= {same: same for same in ("", "sqlite:////abs/a.db", "sqlite:///:memory:")}
    for given, meant in told.items():
        settings = load(RegistrySettings, **{name: given})
        assert getattr(settings, name) == meant


def test_a_server_s_address_is_left_alone() -> None:
    """Whatever comes after its scheme."""
    postgres = "postgresql+psycopg://a@b/c"
    mlflow = "http://mlflow:5000"
    settings = load(RegistrySettings, database_url=postgres, mlflow_uri=mlflow)
    assert (settings.database, settings.mlflow) == (postgres, mlflow)


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "redis://:old@redis:6379/0"])
def test_a_password_of_redis_may_have_any_characters(url: str) -> None:
    """Those that mean something in an address are written so that they do not."""
    settings = load(RegistrySettings, redis_url=url, redis_password="a@b/c#d:e")
    assert settings.redis_url.get_secret_value() == "redis://:a%40b%2Fc%23d%3Ae@redis:6379/0"
    assert load(RegistrySettings, redis_url=url).redis_url.get_secret_value() == url
