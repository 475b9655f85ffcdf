"""Sessions as signed tokens: one algorithm, one issuer, one hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from modelyard.registry.database import new_id, utc_now

ALGORITHM = "HS256"
ISSUER = "modelyard"
AUDIENCE = "modelyard"
LIFE = timedelta(hours=1)
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The user that a valid token identifies, when it was issued and when it ends."""

    user_id: str
    issued_at: datetime
    expires_at: datetime


def sign(secret: str, user_id: str) -> str:
    now = utc_now()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user_id,
        "iat": now.timestamp(),  # with fraction: ending sessions compares exact times
        "exp": int((now + LIFE).timestamp()),
        "jti": new_id(),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read(secret: str, token: str) -> Claims | None:
    """The claims of an unexpired token signed with `secret`; None for any other text."""
    try:
        claims = jwt.decode(
            token.encode(errors="replace"),
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": _REQUIRED},
        )
    except jwt.InvalidTokenError:
        return None
    issued, expires = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    return Claims(claims["sub"], issued, expires)
