"""This process' listeners and what they were sent, as plain numbers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


@dataclass(slots=True)
class NoticeStats:
    """`connections` are open now; `lost` are those that fell behind and lost their place.

    `alerts` are the raised ones, by device and name.
    """

    connections: Counter[str] = field(default_factory=Counter[str])
    sent: int = 0
    lost: int = 0
    alerts: frozenset[tuple[str, str]] = frozenset()


def notice_series(stats: NoticeStats) -> Iterator[Metric]:
    """The series about notices and alerts at the moment of the scrape."""
    about = "Connections for notices that are open."
    connections = GaugeMetricFamily("modelyard_notice_connections", about, labels=["transport"])
    for transport in ("websocket", "stream"):
        connections.add_metric([transport], stats.connections[transport])
    yield connections
    yield CounterMetricFamily("modelyard_notices_sent", "Notices sent to listeners.", stats.sent)
    about = "Listeners that read too slowly and lost their place."
    yield CounterMetricFamily("modelyard_notice_listeners_lost", about, stats.lost)
    about = "Alerts about devices that are raised now: always 1."
    alerts = GaugeMetricFamily("modelyard_device_alert", about, labels=["device", "alert"])
    for device_id, name in sorted(stats.alerts):
        alerts.add_metric([device_id, name], 1)
    yield alerts
