"""Why a callback was not sent."""


class NotSent(Exception):
    """No answer came; the message says why, and nothing of what is behind the name."""
