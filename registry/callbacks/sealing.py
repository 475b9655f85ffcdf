"""Seals a user's signing secret for the database: AES-256-GCM, bound to its row and its user."""

import base64
import os
from dataclasses import dataclass, field

from modelyard.registry.errors import SecretUnreadable

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Seal:
    """A key of 32 bytes; what it has sealed for one place cannot be opened at another."""

    key: bytes = field(repr=False)

    def close(self, text: str, place: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self.key).encrypt(nonce, text.encode(), place.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """Raises SecretUnreadable for what another key, or another place, has sealed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        raw = base64.b64decode(sealed)
        try:
            opened = AESGCM(self.key).decrypt(raw[:_NONCE], raw[_NONCE:], place.encode())
        except InvalidTag:
            raise SecretUnreadable(
                "A signing secret cannot be opened with this installation's secret key.",
                fix="Set MODELYARD_SECRET_KEY as it was, or have the user make a new secret.",
            ) from None
        return opened.decode()
