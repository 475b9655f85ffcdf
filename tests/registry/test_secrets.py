"""One secret an installation: made once, for its owner's eyes only."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.secrets import internal_token, metrics_token, prefect_login, secret_key
from modelyard.registry.settings import RegistrySettings, load

_PRINT = """
import sys
from pathlib import Path
from modelyard.registry.secrets import secret_key
from modelyard.registry.settings import RegistrySettings, load
sys.stdin.readline()
print(secret_key(load(RegistrySettings, data_dir=Path(sys.argv[1]))))
"""


def test_processes_starting_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    """Four processes read the same key, from a file that only its owner may read."""
    folder = tmp_path / "data"
    command = [sys.executable, "-c", _PRINT, str(folder)]
    pipe = subprocess.PIPE
    starts = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    keys = {start.communicate("go\n", timeout=240)[0].strip() for start in starts}
    (key,) = keys
    assert len(key) >= 32
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_given_secret_wins_and_leaves_no_file(tmp_path: Path) -> None:
    """Where the settings hold it, nothing is written."""
    settings = load(RegistrySettings, data_dir=tmp_path, secret_key="g" * 32)
    assert secret_key(settings) == "g" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_died_half_way_is_made_good(tmp_path: Path) -> None:
    """A draft left behind is neither used nor in the way."""
    (tmp_path / "secret.draft").write_text("hal")
    settings = load(RegistrySettings, data_dir=tmp_path)
    assert secret_key(settings) == secret_key(settings)
    assert len(secret_key(settings)) >= 32


def test_the_internal_token_follows_from_the_secret() -> None:
    """The same on every machine that shares it, and not the secret itself."""
    assert internal_token("a" * 32) == internal_token("a" * 32)
    assert internal_token("a" * 32) != internal_token("b" * 32)
    assert len(internal_token("a" * 32)) == 64


def test_each_purpose_has_a_secret_of_its_own(tmp_path: Path) -> None:
    """Whoever is shown one can make none of the others of it."""
    settings = load(RegistrySettings, data_dir=tmp_path)
    secret = secret_key(settings)
    name, _, password = prefect_login(secret).partition(":")
    assert name == "modelyard"
    secrets = {secret, internal_token(secret), metrics_token(settings), password}
    assert len(secrets) == 4
    assert all(len(one) >= 43 for one in secrets)


def test_a_token_for_the_measures_may_be_set(tmp_path: Path) -> None:
    """It wins; one that could be guessed, or that no header can carry, is refused by name."""
    settings = load(RegistrySettings, data_dir=tmp_path, metrics_token="prometheus-reads")
    assert metrics_token(settings) == "prometheus-reads"
    for bad in ("short", "x" * 16 + "\n", "ü" * 16):
        with pytest.raises(SettingsInvalid, match="MODELYARD_METRICS_TOKEN") as caught:
            load(RegistrySettings, data_dir=tmp_path, metrics_token=bad)
        assert bad not in str(caught.value)
