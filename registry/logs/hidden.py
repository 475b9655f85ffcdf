"""Secrets are taken out of what is logged, by their form and by the names they stand behind."""

import re

HIDDEN = "[hidden]"

_FORMS = (
    r"\bmy_[\w-]{8,}",  # our own keys
    r"\b(?:sk|pk|rk)-[\w-]{8,}",
    r"\bhf_\w{8,}",
    r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}",  # JSON Web Tokens: sessions
    r"(?<=://)[^/\s@]*(?=@)",  # user and password of an address
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
    """Whether what stands behind this name is not for a log, whatever its form."""
    return _NAMES.search(name) is not None
