"""Where the gateway is and which key it gets, from what is given or from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from modelyard.serving.client.asking import Question

URL = "MODELYARD_GATEWAY_URL"
KEY = "MODELYARD_API_KEY"
ANSWER_S = 60.0
CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """A gateway's address and a key for it."""

    url: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, url: str | None, key: str | None) -> "GatewayAccess":
        """What is not given comes from the environment; raises ValueError where it is not there."""
        found = cls(url or os.environ.get(URL, ""), key or os.environ.get(KEY, ""))
        if not found.url:
            raise ValueError(f"No gateway is named: give its address, or set {URL}.")
        if not found.key:
            raise ValueError(f"There is no key for {found.url}: give one, or set {KEY}.")
        return found

    @property
    def told(self) -> Mapping[str, Any]:
        """The arguments of either kind of HTTP client."""
        return {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {self.key}"},
            "timeout": httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            "trust_env": False,  # a proxy from the environment is for other addresses
        }


def arguments(question: Question) -> Mapping[str, Any]:
    """A question as the arguments of an HTTP client's `request`."""
    return {
        "method": question.method,
        "url": question.path,
        "params": question.query or None,
        "json": question.body,
        "data": question.form or None,
        "files": question.files or None,
    }
