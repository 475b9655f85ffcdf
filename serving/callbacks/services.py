"""What the routes about callbacks use."""

from dataclasses import dataclass

from modelyard.registry.callbacks.addresses import CallbackAddresses
from modelyard.registry.callbacks.book import CallbackBook
from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.database import Database
from modelyard.registry.secrets import callback_key


@dataclass(frozen=True, slots=True)
class CallbackServices:
    """Callbacks, their addresses, and the secrets they are signed with."""

    book: CallbackBook
    addresses: CallbackAddresses
    secrets: CallbackSecrets

    @classmethod
    def of(cls, db: Database, secret: str) -> "CallbackServices":
        """`secret` is the installation's secret key."""
        secrets = CallbackSecrets(db, Seal(callback_key(secret)))
        return cls(CallbackBook(db), CallbackAddresses(db), secrets)
