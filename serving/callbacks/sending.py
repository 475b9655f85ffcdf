"""Puts the parts of a sender together from the settings of a process."""

from modelyard.registry.callbacks.deliveries import Deliveries
from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.secrets import CallbackSecrets
from modelyard.registry.database import Database
from modelyard.registry.secrets import callback_key
from modelyard.serving.callbacks.allowed_hosts import AllowedHosts
from modelyard.serving.callbacks.network import CallbackNetwork
from modelyard.serving.callbacks.sender import CallbackSender
from modelyard.serving.observability.callback_stats import CallbackStats
from modelyard.serving.settings import RequestSettings


def callback_sender(
    settings: RequestSettings, db: Database, secret: str, stats: CallbackStats
) -> CallbackSender:
    """A sender whose `run()` goes on for ever; `secret` is the installation's secret key."""
    return CallbackSender(
        Deliveries(db),
        CallbackSecrets(db, Seal(callback_key(secret))),
        CallbackNetwork(AllowedHosts.of(settings.callback_hosts)),
        keep_days=settings.requests_days,
        stats=stats,
    )
