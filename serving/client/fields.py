"""What may be said about work besides its model and its payload."""

from typing import Any, TypedDict


class WorkFields(TypedDict, total=False):
    """The fields of `POST /api/v1/route`, by their names there; `timeout` is in milliseconds.

    Without `request_id` the client makes one, by which the work is never done twice. Without
    `user_id` it is for the caller.
    """

    type: str
    priority: int
    timeout: int
    callback_url: str
    request_id: str
    user_id: str
    resource_requirements: dict[str, Any]


class BatchFields(TypedDict, total=False):
    """The fields of `POST /api/v1/route/batch` besides its requests, by their names there."""

    timeout: int
    callback_url: str
    batch_id: str
    user_id: str


class ListFilter(TypedDict, total=False):
    """Which requests to list; `since` and `until` are times of submission (ISO 8601)."""

    status: str
    model: str
    user_id: str
    batch_id: str
    since: str
    until: str
