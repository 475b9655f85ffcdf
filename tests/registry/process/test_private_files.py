"""What is kept can be read by its own user alone, whatever was before."""

import os
from pathlib import Path

import pytest

from modelyard.registry.installation import open_database
from modelyard.registry.process.private_files import OTHERS, append_to, close_to_others
from modelyard.registry.settings import RegistrySettings, load


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & OTHERS]


def old_folder(folder: Path) -> None:
    """As an earlier version left it."""
    for name in (
        "logs/gateway.log",
        "modelyard.db",
        "modelyard.db-wal",
        "prefect/storage/a",
        "run/a",
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
        file.chmod(0o644)
    (folder / "theirs").write_text("not ours")
    (folder / "theirs").chmod(0o644)
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        path.chmod(0o755)


def test_what_an_earlier_version_left_open_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders, files and what is below, and it is said; the rest is behind the folder's mode."""
    old_folder(tmp_path)
    close_to_others(tmp_path)
    assert "data_folder_closed" in capsys.readouterr().err
    assert open_to_others(tmp_path) == [tmp_path / "theirs"]
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / "gateway.log").stat().st_mode & 0o777 == 0o600
    close_to_others(tmp_path)
    close_to_others(tmp_path / "not there yet")
    assert capsys.readouterr().err == ""


def test_a_database_of_before_is_closed_wherever_it_is(tmp_path: Path) -> None:
    """When it is opened, with its journals; the folder is somebody else's."""
    (tmp_path / "data").mkdir(mode=0o700)
    files = [tmp_path / name for name in ("own.db", "own.db-wal", "mlflow.db", "theirs.db")]
    for file in files:
        file.touch()
        file.chmod(0o644)
    tmp_path.chmod(0o755)
    urls = {"database_url": f"sqlite:///{files[0]}", "mlflow_uri": f"sqlite:///{files[2]}"}
    open_database(load(RegistrySettings, data_dir=tmp_path / "data", **urls)).close()
    assert [f.name for f in files if f.exists() and f.stat().st_mode & OTHERS] == ["theirs.db"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A store may be a link to a volume whose modes are its owner's to choose."""
    elsewhere = tmp_path / "elsewhere"
    data = tmp_path / "data"
    for folder in (elsewhere, data, data / "store"):
        folder.mkdir()
    (elsewhere / "file").touch()
    (data / "store" / "link").symlink_to(elsewhere)
    (data / "logs").symlink_to(elsewhere)
    for path in (elsewhere, elsewhere / "file", data, data / "store"):
        path.chmod(0o755)
    close_to_others(data)
    assert data.stat().st_mode & OTHERS == 0
    assert (data / "store").stat().st_mode & OTHERS == 0
    assert [p.stat().st_mode & 0o777 for p in (elsewhere, elsewhere / "file")] == [0o755, 0o755]


def test_a_log_is_continued_and_closed(tmp_path: Path) -> None:
    """A new one is 0600 under any umask; one of before becomes so."""
    old = tmp_path / "old.log"
    new = tmp_path / "new.log"
    old.write_text("a")
    old.chmod(0o644)
    before = os.umask(0)
    try:
        for file in (old, new):
            with append_to(file) as opened:
                opened.write(b"b")
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in (old, new)] == [0o600, 0o600]
    assert (old.read_text(), new.read_text()) == ("ab", "b")


def test_a_folder_of_somebody_else_is_used_as_it_is() -> None:
    """Such as a volume that was mounted for us: what cannot be closed ends nothing."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setuid(65534)  # nobody
            close_to_others(Path("/usr"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
