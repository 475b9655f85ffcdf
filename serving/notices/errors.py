"""Why a listener is not let in."""

from modelyard.registry.errors import ErrorKind, NotAuthenticated
from modelyard.serving.errors import Limited


class TooManyListeners(Limited):
    """The user has as many connections for notices as one may have."""

    code = "too_many_listeners"
    kind = ErrorKind.RATE_LIMITED

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} connections for notices at this gateway, as many as a user may.",
            5.0,
            fix="Close one; one connection can have all topics. The operator sets the bound with "
            "MODELYARD_NOTICE_CONNECTIONS.",
        )


def ticket_refused() -> NotAuthenticated:
    return NotAuthenticated(
        "This address needs a ticket that was not used yet, of the last 30 seconds.",
        fix="POST /api/v1/notices/tickets makes one; add it as ?ticket=…",
    )
