"""The database and Redis: each is written to once, and what was written is taken back."""

from typing import TYPE_CHECKING

from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.checks.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from modelyard.registry.database import Database

PATIENCE_S = 3.0
_NAME = "modelyard_doctor"


def database(settings: RegistrySettings) -> Finding:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from modelyard.registry.database import Database
    from modelyard.registry.errors import DatabaseNewer

    shown = make_url(settings.database).render_as_string(hide_password=True)
    if not settings.database_url and not (settings.data_dir / "modelyard.db").exists():
        return ok("Database", f"{shown} will be made")
    connected = Database.connect(settings.database)
    try:
        _write_to(connected)
    except DatabaseNewer as error:
        return fail("Database", f"{shown}: {error.message}", error.fix)
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        fix = "Start it, see that it may be written, or correct MODELYARD_DATABASE_URL."
        return fail("Database", f"{shown}: {reason}", fix)
    finally:
        connected.close()
    return ok("Database", f"{shown} can be written")


def _write_to(database: "Database") -> None:
    """Make a table and undo it: both kinds of database can."""
    from sqlalchemy import text

    from modelyard.registry.migrate import check_revision

    check_revision(database)
    with database.writers() as session:
        session.execute(text(f"CREATE TABLE {_NAME} (number INTEGER)"))
        session.execute(text(f"INSERT INTO {_NAME} VALUES (1)"))  # noqa: S608 - our own name
        session.rollback()


def redis(settings: RegistrySettings) -> Finding:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    url = settings.redis_url.get_secret_value()
    if not url:
        return ok("Redis", "none set: each gateway keeps limits and caches of its own")
    where = url.rpartition("@")[2]  # never the password
    patience = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S}
    try:
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0), **patience) as client:
            client.set(_NAME, "1", px=1000)
            client.delete(_NAME)
            policy = client.info("memory").get("maxmemory_policy")
    except RedisError as error:
        return fail("Redis", f"{where}: {error}", "Start it, or correct MODELYARD_REDIS_URL.")
    if policy != "noeviction":
        fix = "Run it with `maxmemory-policy noeviction`: a limit that is evicted is forgotten."
        return warn("Redis", f"{where} can be written, but evicts by {policy}", fix)
    return ok("Redis", f"{where} can be written")
