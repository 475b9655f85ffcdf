"""One secret an installation: made once, for its owner's eyes only."""

import subprocess
import sys
from pathlib import Path

from registry.secrets import internal_token, secret_key
from registry.settings import RegistrySettings, load

_PRINT = """
import sys
from pathlib import Path
from registry.secrets import secret_key
from registry.settings import RegistrySettings, load
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
