"""What `modelyard up` holds while it runs is let go when it ends."""

from pathlib import Path

import pytest
from sqlalchemy import update

from modelyard.registry.database import utc_now
from modelyard.registry.errors import NotAuthenticated, NotPermitted
from modelyard.registry.identity.identity import Identity, secret_key
from modelyard.registry.identity.tables import UserRow
from modelyard.registry.installation import open_database
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.up.instance_lock import AlreadyUp, admin_key, alone_on


@pytest.fixture
def settings(tmp_path: Path) -> RegistrySettings:
    return RegistrySettings(data_dir=tmp_path)


def _identity(settings: RegistrySettings) -> Identity:
    return Identity(open_database(settings), secret_key(settings))


def test_the_first_key_lasts_and_later_ones_end(
    settings: RegistrySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first start hands over a key that stays; a later start has one that ends with it."""
    with admin_key(settings) as first:
        said = capsys.readouterr()
        assert first not in said.out + said.err  # no terminal: it would stand in a log
        assert (settings.data_dir / "admin.key").read_text() == f"{first}\n"
    with admin_key(settings) as second:
        said = capsys.readouterr()
        assert second not in said.out + said.err
        assert "modelyard keys create admin" in said.err
        assert _identity(settings).authenticate_key(second).is_admin
    identity = _identity(settings)
    assert identity.authenticate_key(first).is_admin
    with pytest.raises(NotAuthenticated):
        identity.authenticate_key(second)


def test_the_key_of_a_killed_run_ends_with_the_next(settings: RegistrySettings) -> None:
    """A run that could not end its key has it ended by the one after."""
    with admin_key(settings):
        pass
    killed = admin_key(settings)
    lost = killed.__enter__()
    with admin_key(settings), pytest.raises(NotAuthenticated):
        _identity(settings).authenticate_key(lost)


def test_without_an_admin_that_may_act_there_is_no_run(settings: RegistrySettings) -> None:
    """The error tells how to let one in again."""
    with admin_key(settings):
        pass
    with open_database(settings).begin() as session:  # no command does: this is somebody's SQL
        session.execute(update(UserRow).values(disabled_at=utc_now()))
    with pytest.raises(NotPermitted, match="users enable"), admin_key(settings):
        pass


def test_a_data_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    """The second is refused while the first holds it; the file that tells of it goes with it."""
    with alone_on(tmp_path):
        (tmp_path / "run" / "up.json").write_text("{}")
        with pytest.raises(AlreadyUp, match="--data"), alone_on(tmp_path):
            pass
        assert (tmp_path / "run" / "up.json").exists()
    assert not (tmp_path / "run" / "up.json").exists()
    with alone_on(tmp_path):
        pass
