"""Removes secrets from log text, by their format and by the names that precede them."""

import re

HIDDEN = "[hidden]"

_FORMS = (
    r"\bmy_[\w-]{8,}",  # our own keys
    r"\b(?:sk|pk|rk)-[\w-]{8,}",
    r"\bhf_\w{8,}",
    r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}",  # JSON Web Tokens: sessions
    r"(?<=://)[^/\s@]*(?=@)",  # user and password in a URL
    r"\b(?:bearer|basic)\s+[^\s'\",;]+",
    (
        r"(?:authorization|cookie|pass(?:word|wd)?|secret(?:_key)?|(?:api|access)[_-]?(?:key|token)"
        r"|token)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?[^\s'\",;&]+"
    ),
)
_SECRET = re.compile("|".join(_FORMS), re.IGNORECASE)
_NAMES = re.compile(
    r"authorization|cookie|password|secret|api_?key|(?:^|_)(?:key|token)$", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    return _SECRET.sub(HIDDEN, text)


def is_secret(name: str) -> bool:
    """Whether a value with this name is a secret, whatever its format."""
    return _NAMES.search(name) is not None
