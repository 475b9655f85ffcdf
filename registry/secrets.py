"""The secret of an installation, and the credentials derived from it."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from modelyard.registry.locks import exclusive
from modelyard.registry.settings import RegistrySettings


def secret_key(settings: RegistrySettings) -> str:
    """The configured secret key, or else the one generated in the data folder (mode 0600)."""
    given = settings.secret_key.get_secret_value()
    if given:
        return given
    file = _key_file(settings)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(file.with_suffix(".lock")):
            if not file.exists():
                _create(file)
    return file.read_text().strip()


def _key_file(settings: RegistrySettings) -> Path:
    return settings.data_dir / "secret.key"


def _create(file: Path) -> None:
    draft = file.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_urlsafe(48) + "\n")
        out.flush()
        os.fsync(descriptor)
    draft.replace(file)


def internal_token(secret: str) -> str:
    """The token that gateway, workers and engines authenticate to one another with."""
    return _derived(secret, b"modelyard-internal")


def metrics_token(settings: RegistrySettings) -> str:
    """The token for Prometheus, which may only read metrics; a configured one takes precedence."""
    given = settings.metrics_token.get_secret_value()
    return given or _derived(secret_key(settings), b"modelyard-metrics")


def dashboard_token(settings: RegistrySettings) -> str:
    """The token with which the dashboard signs what it passes on to gateways."""
    given = settings.dashboard_token.get_secret_value()
    return given or _derived(secret_key(settings), b"modelyard-dashboard")


def known_dashboard_token(settings: RegistrySettings) -> str:
    """The same for a dashboard, which may be on another machine: empty if it is not known here."""
    is_here = settings.secret_key.get_secret_value() or _key_file(settings).exists()
    is_known = is_here or settings.dashboard_token.get_secret_value()
    return dashboard_token(settings) if is_known else ""


def callback_key(secret: str) -> bytes:
    """32 bytes by which users' signing secrets are sealed in the database."""
    return bytes.fromhex(_derived(secret, b"modelyard-callbacks"))


def prefect_login(secret: str) -> str:
    """The login, as `name:password`, of the Prefect server that `modelyard up` starts."""
    return f"modelyard:{_derived(secret, b'modelyard-prefect')}"


def _derived(secret: str, purpose: bytes) -> str:
    return hmac.new(secret.encode(), purpose, hashlib.sha256).hexdigest()
