"""Responses to requests that are refused before they reach the application."""

from http import HTTPStatus

import httptools

from modelyard.registry.logs import logger

_REASONS = {
    400: "This is not HTTP/1.1 as RFC 9112 has it.",
    405: "This is not a proxy.",
    408: "The request did not come to its end in time.",
    414: "The address of the request is too long.",
    417: "Only `Expect: 100-continue` can be met.",
    431: "The headers of the request are too many or too long.",
    500: "Something went wrong on our side; the log has it.",
    501: "Only `Transfer-Encoding: chunked` is understood.",
    503: "There are too many connections. Try again in a moment.",
    505: "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
}
_log = logger("modelyard.http")


class Refused(Exception):
    """Raised in a parser callback to stop reading; the client gets `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_of(error: httptools.HttpParserError) -> int:
    """The status for a parser error, or for an error raised in a parser callback."""
    cause = error.__context__
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return 400
    if isinstance(cause, Refused):
        return cause.status
    _log.error("a request could not be read", exc_info=cause)
    return 500


def _answer(status: int, reason: str) -> bytes:
    more = "retry-after: 1\r\n" if status == 503 else ""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(reason)}\r\n"
        f"{more}connection: close\r\n\r\n{reason}"
    ).encode()


ANSWERS = {status: _answer(status, reason) for status, reason in _REASONS.items()}
"""Complete response bytes by status."""
