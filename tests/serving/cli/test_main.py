"""The root of the command turns what it expects into words and exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest

# A finder that hides one library, as if its extra had never been installed.
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
sys.argv = ["modelyard", *{argv!r}]
from modelyard.serving.cli.main import run
run()
"""


@pytest.mark.parametrize(
    ("name", "argv", "extra"),
    [
        ("mlflow", ["models", "verify"], "flows"),
        ("qdrant_edge", ["models", "search", "verse"], "flows"),
    ],
)
def test_a_missing_extra_is_named(name: str, argv: list[str], extra: str, tmp_path: Path) -> None:
    """A command whose library is not there says which extra to install, and ends with 11."""
    ended = subprocess.run(
        [sys.executable, "-c", HIDING.format(name=name, argv=argv)],
        env={"MODELYARD_DATA_DIR": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 11, ended.stderr
    assert f"[{extra}]" in ended.stderr
    assert "make setup" in ended.stderr


def test_a_setting_nobody_knows_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt name in the file ends every command with 2 before anything is done."""
    file = tmp_path / "settings.toml"
    file.write_text('databse_url = "sqlite:////tmp/x.db"')
    ended = subprocess.run(
        [sys.executable, "-m", "modelyard.serving.cli.main", "config"],
        env={"MODELYARD_CONFIG": str(file)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert "database_url" in ended.stderr
