"""Asks a worker itself whether it lives, and whether it belongs to this installation."""

import http.client
import json
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from modelyard.registry.fleet.proof import asking_token, is_proof

ANSWER_S = 1.0
_MOST = 4096


class WorkerReply(StrEnum):
    """What a question to a worker's address came to."""

    LIVES = "lives"
    SILENT = "silent"
    STRANGER = "stranger"  # it has another secret, or is no worker


@dataclass(frozen=True, slots=True)
class WorkerQuestion:
    """Blocks for up to a second or two; `token` is the installation's internal token."""

    token: str = field(repr=False)

    def ask(self, url: str) -> WorkerReply:
        nonce = secrets.token_hex(16)
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
        headers = {"Authorization": f"Bearer {asking_token(self.token)}"}
        with closing(connection):
            try:
                connection.request("GET", f"/health?nonce={nonce}", headers=headers)
                answer = connection.getresponse()
                body = answer.read(_MOST)
            except (OSError, http.client.HTTPException):
                return WorkerReply.SILENT
        if answer.status == 401:
            return WorkerReply.STRANGER
        return WorkerReply.LIVES if self._has_proof(body, nonce) else WorkerReply.SILENT

    def _has_proof(self, body: bytes, nonce: str) -> bool:
        try:
            said = json.loads(body)
        except ValueError:
            return False
        return isinstance(said, dict) and is_proof(said.get("proof"), self.token, nonce)
