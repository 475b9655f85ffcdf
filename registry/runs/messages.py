"""The form in which a run's or an order's message is kept, as others are shown it."""

from modelyard.registry.catalog.plain_text import plain_text
from modelyard.registry.logs.hidden import without_secrets

LONGEST = 2000


def shown(message: str) -> str:
    """Bounded, without secrets of an error's text, and without what would steer a terminal."""
    return plain_text(without_secrets(message), LONGEST)
