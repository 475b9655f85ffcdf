"""Children of `up` stand elsewhere, and read the settings that were meant where it was called."""

from pathlib import Path

import pytest

from modelyard.registry.settings import RegistrySettings, load
from modelyard.serving.cli.up.pinned import pinned
from modelyard.serving.settings import GatewaySettings

FILES = (
    "MODELYARD_CONFIG",
    "MODELYARD_DATA_DIR",
    "MODELYARD_STORE_DIR",
    "MODELYARD_DATABASE_URL",
    "MODELYARD_MLFLOW_URI",
    "MODELYARD_ACCESS_LOG",
)


def test_every_file_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the settings' file that lies here, which the children find too."""
    (tmp_path / "modelyard.toml").write_text(
        'data_dir = "kept"\nstore_dir = "models"\naccess_log = "log"\n'
        'database_url = "sqlite:///a.db"\nmlflow_uri = "sqlite:///m.db"\n'
    )
    for name in FILES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    told = pinned(load(RegistrySettings), load(GatewaySettings))
    assert told == {
        "MODELYARD_CONFIG": f"{tmp_path}/modelyard.toml",
        "MODELYARD_DATA_DIR": f"{tmp_path}/kept",
        "MODELYARD_STORE_DIR": f"{tmp_path}/models",
        "MODELYARD_DATABASE_URL": f"sqlite:///{tmp_path}/a.db",
        "MODELYARD_MLFLOW_URI": f"sqlite:///{tmp_path}/m.db",
        "MODELYARD_ACCESS_LOG": f"{tmp_path}/log",
    }
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert pinned(load(RegistrySettings), load(GatewaySettings)) == told


def test_what_is_not_set_stays_so(tmp_path: Path) -> None:
    """A child takes the usual place; standard output is no file, nor is what is not there."""
    told = pinned(RegistrySettings(data_dir=tmp_path), GatewaySettings(access_log="-"))
    assert set(told) == {"MODELYARD_DATA_DIR", "MODELYARD_ACCESS_LOG"}
    assert told["MODELYARD_ACCESS_LOG"] == "-"
