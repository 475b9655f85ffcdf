"""Whether a callback's URL has a form that a callback could be sent to."""

from urllib.parse import SplitResult, urlsplit

from modelyard.serving.errors import InvalidRequest

SCHEMES = ("https", "http")


def check_callback_url(url: str | None) -> None:
    """Raise InvalidRequest where it could never be called; its address is looked at when it is."""
    if url is None:
        return
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _refused("holds characters that no URL has: encode them")
    parts = _split(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise _refused("must be an absolute URL such as https://example.com/done")
    if parts.username is not None or parts.password is not None:
        raise _refused("must hold no user and no password: callbacks are signed instead")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is none
    except ValueError as error:
        raise _refused(f"is no URL ({error})") from None
    return parts


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"'callback_url' {why}.", param="callback_url")
