"""The servers that this installation is set up to use: each is asked once."""

from modelyard.registry.settings import RegistrySettings, load, sections
from modelyard.serving.cli.checks.finding import Finding, fail, ok, warn

PATIENCE_S = 3.0


def database(settings: RegistrySettings) -> Finding:
    from sqlalchemy import text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from modelyard.registry.database import Database

    shown = make_url(settings.database).render_as_string(hide_password=True)
    if not settings.database_url and not (settings.data_dir / "modelyard.db").exists():
        return ok("Database", f"{shown} will be made")
    connected = Database.connect(settings.database)
    try:
        with connected.read() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        return fail(
            "Database", f"{shown}: {reason}", "Start it, or correct MODELYARD_DATABASE_URL."
        )
    finally:
        connected.close()
    return ok("Database", f"{shown} answers")


def mlflow(settings: RegistrySettings) -> Finding:
    if not settings.mlflow.startswith("http"):
        return ok("MLflow", "embedded, no server")
    return _asked("MLflow", settings.mlflow, "/health", "MODELYARD_MLFLOW_URI")


def qdrant(settings: RegistrySettings) -> Finding:
    if not settings.qdrant_url:
        return ok("Qdrant", "embedded, no server")
    return _asked("Qdrant", settings.qdrant_url, "/readyz", "MODELYARD_QDRANT_URL")


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
            policy = client.info("memory").get("maxmemory_policy")
    except RedisError as error:
        return fail("Redis", f"{where}: {error}", "Start it, or correct MODELYARD_REDIS_URL.")
    if policy != "noeviction":
        fix = "Run it with `maxmemory-policy noeviction`: a limit that is evicted is forgotten."
        return warn("Redis", f"{where} answers, but evicts by {policy}", fix)
    return ok("Redis", f"{where} answers")


def prefect() -> Finding:
    url = _setting("prefect_url")
    if not url:
        return ok("Prefect", "none set: `modelyard up` brings one, else a temporary one is used")
    return _asked("Prefect", url, "/health", "PREFECT_API_URL")


def hub() -> Finding:
    import httpx2

    url = _setting("hub_endpoint")
    if not url:
        return ok("Hub", "not used: the flows are not installed")
    try:
        httpx2.head(url, timeout=PATIENCE_S)
    except httpx2.HTTPError as error:
        fix = "Models that are here already work; for new ones check the network and HF_ENDPOINT."
        return warn("Hub", f"{url}: {error or type(error).__name__}", fix)
    return ok("Hub", f"{url} answers")


def _asked(name: str, url: str, path: str, variable: str) -> Finding:
    import httpx2

    fix = f"Start it, or correct {variable}."
    try:
        answer = httpx2.get(url.rstrip("/") + path, timeout=PATIENCE_S, trust_env=False)
    except httpx2.HTTPError as error:
        return fail(name, f"{url}: {error or type(error).__name__}", fix)
    if answer.is_server_error:
        return fail(name, f"{url} answers {answer.status_code}", fix)
    return ok(name, f"{url} answers")


def _setting(name: str) -> str:
    """A setting of whichever installed package has it; empty where none does."""
    found = (section for _, section in sections() if name in section.model_fields)
    return next((str(getattr(load(section), name)) for section in found), "")
