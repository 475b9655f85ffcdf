"""What a notice says, and who may read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.identity.caller import Caller


class Topic(StrEnum):
    """What notices are about; listeners choose among these."""

    REQUESTS = "requests"
    BATCHES = "batches"
    RUNS = "runs"
    DEVICES = "devices"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class NoticeDraft:
    """A notice that has no place in the order yet.

    `kind` is the topic's own word for what happened, such as `run.progress`; `data` are its facts
    as JSON. Everybody may read a public one; a private one its owner and admins, or admins alone.
    """

    topic: Topic
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    visibility: Visibility = Visibility.PUBLIC
    owner_id: str | None = None

    def is_for(self, caller: Caller) -> bool:
        """Whether the caller may read it."""
        if caller.is_admin or self.visibility is Visibility.PUBLIC:
            return True
        return self.owner_id is not None and self.owner_id == caller.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(NoticeDraft):
    """A notice with its id; a later one has a larger id, whichever process wrote it."""

    id: int
    at: datetime
