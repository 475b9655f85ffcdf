"""Removes secrets from log text, by their format and by the names that precede them."""

import re

HIDDEN = "[hidden]"

# User and password in a URL, also a password with @ or / in it; `host:8080/model@1` has none.
_LOGIN = r"(?<=://)(?:[^/\s@:]*:(?!\d*[/?#])\S*|[^/\s@]*)(?=@)"
_IN_QUERY = r"(?<=[?&])\w*(?:pass(?:word|wd)?|secret|token|key)=[^\s'\"&#]*"

_FORMS = (
    r"\bmy_[\w-]{8,}",  # our own keys
    r"\b(?:sk|pk|rk)-[\w-]{8,}",
    r"(?-i:\bhf_\w{8,})",  # the Hub's tokens; HF_ENDPOINT and the like are names
    r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}",  # JSON Web Tokens: sessions
    _LOGIN,
    r"\b(?:bearer|basic)\s+[^\s'\",;]+",
    (
        r"(?:authorization|cookie|pass(?:word|wd)?|secret(?:_key)?|(?:api|access)[_-]?(?:key|token)"
        r"|token)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?[^\s'\",;&]+"
    ),
)
_SECRET = re.compile("|".join(_FORMS), re.IGNORECASE)
_IN_URL = re.compile(f"{_LOGIN}|{_IN_QUERY}", re.IGNORECASE)
_NAMES = re.compile(
    r"authorization|cookie|password|secret|api_?key|(?:^|_)(?:key|token)$", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    return _SECRET.sub(HIDDEN, text)


def without_logins(text: str) -> str:
    """The text without logins and passwords inside URLs; all else in it stays."""
    return _IN_URL.sub(HIDDEN, text)


def is_secret(name: str) -> bool:
    """Whether a value with this name is a secret, whatever its format."""
    return _NAMES.search(name) is not None
