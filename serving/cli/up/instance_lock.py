"""What one `modelyard up` holds while it runs: its data folder, and a key of the admin."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from modelyard.registry.errors import ModelyardError, NotPermitted
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity, secret_key
from modelyard.registry.installation import open_database
from modelyard.registry.locks import exclusive
from modelyard.registry.process.running_instances import announced, lock_of
from modelyard.registry.running import running_file
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.first_key import hand_over, say_how_to_get_another

SESSION_KEY = "modelyard up"
"""Name of the admin's key that lives as long as one run of `up`."""


class AlreadyUp(ModelyardError):
    """Another `up` works on the same data folder."""

    code = "already_up"
    exit_code = 5


@contextmanager
def alone_on(data: Path) -> Generator[None]:
    (data / "run").mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(lock_of(data), wait=False))
        except BlockingIOError:
            raise AlreadyUp(
                f"Another `modelyard up` runs on {data}.", fix="End it, or pass another --data."
            ) from None
        held.callback(running_file(data).unlink, missing_ok=True)
        held.enter_context(announced(data))
        yield


@contextmanager
def admin_key(settings: RegistrySettings) -> Generator[str]:
    """The lasting key at the first start, handed over; later one that ends with this run."""
    database = open_database(settings)
    identity = Identity(database, secret_key(settings))
    try:
        first = identity.first_admin()
        if first:
            hand_over(first, settings.data_dir)
            yield first
        else:
            _end_session_keys(identity)
            admin = _an_admin(identity)
            say_how_to_get_another(admin)
            yield identity.create_key(admin, SESSION_KEY)
            _end_session_keys(identity)
    finally:
        database.close()


def _an_admin(identity: Identity) -> str:
    admins = [u.name for u in identity.list_users() if u.role is Role.ADMIN and not u.disabled]
    if not admins:
        raise NotPermitted(
            "Every admin is disabled.", fix="`modelyard users enable NAME` lets one in again."
        )
    return admins[0]


def _end_session_keys(identity: Identity) -> None:
    """Also those of a run that was killed before it could end its own."""
    for key in identity.list_keys():
        if key.name == SESSION_KEY and key.revoked_at is None:
            identity.revoke_key(key.id)
