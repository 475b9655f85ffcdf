"""Listens for a card's XID events: faults that the NVIDIA driver reports."""

import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pynvml as nvml

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_facts import XidEvent
from modelyard.registry.logs import logger

WAIT_MS = 1000
RETRY_S = 5.0
"""Seconds before a card that cannot be listened to is tried again: it may have been reset."""

START_S = 0.5
KEPT = 20

_OF_A_PROGRAM = frozenset({13, 31, 43, 45, 68, 109})
"""Faults of the running program; NVIDIA's device plugin also keeps using the card after them."""

_NOTICES = frozenset({63})
"""A bad memory row was remapped, as designed."""

_MEANINGS = {
    13: "a program's graphics engine exception",
    31: "a program's memory page fault",
    43: "a program was stopped on it",
    45: "a program's work was cleaned up",
    48: "a double-bit memory error",
    62: "its microcontroller halted",
    63: "a row of memory was replaced",
    64: "a bad row of memory could not be replaced",
    74: "an NVLink error",
    79: "it has fallen off the bus",
    94: "a contained memory error",
    95: "an uncontained memory error",
    119: "its system processor does not answer",
    120: "its system processor failed",
}

_log = logger("modelyard.worker")


@dataclass(slots=True)
class XidWatch:
    """Collects the events of one card, identified by UUID, once started."""

    card_id: str
    _events: deque[XidEvent] = field(default_factory=lambda: deque[XidEvent](maxlen=KEPT))
    _thread: threading.Thread | None = None
    _listening: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Listen in a daemon thread; later calls do nothing."""
        if self._thread is None:
            name = f"xid events of {self.card_id}"
            self._thread = threading.Thread(target=self._listen, name=name, daemon=True)
            self._thread.start()
            self._listening.wait(START_S)  # events after this point are not missed

    @property
    def events(self) -> tuple[XidEvent, ...]:
        return tuple(self._events)

    def _listen(self) -> None:
        while True:
            try:
                self._follow()
            except nvml.NVMLError as error:
                if getattr(error, "value", None) == nvml.NVML_ERROR_NOT_SUPPORTED:
                    self._listening.set()
                    return  # this card has no events
                _log.warning("gpu_events_interrupted", gpu=self.card_id, reason=str(error))
            time.sleep(RETRY_S)

    def _follow(self) -> None:
        """Collect events until the card is lost, then shut NVML down: only init finds cards."""
        with ExitStack() as ending:
            nvml.nvmlInit()
            ending.callback(nvml.nvmlShutdown)
            events = nvml.nvmlEventSetCreate()
            ending.callback(nvml.nvmlEventSetFree, events)
            card = nvml.nvmlDeviceGetHandleByUUID(self.card_id)
            nvml.nvmlDeviceRegisterEvents(card, nvml.nvmlEventTypeXidCriticalError, events)
            self._listening.set()
            while True:
                self._take(events)

    def _take(self, events: Any) -> None:
        try:
            event = nvml.nvmlEventSetWait_v2(events, WAIT_MS)
        except nvml.NVMLError_Timeout:  # pyright: ignore[reportAttributeAccessIssue]
            return
        seen = xid_event(int(event.eventData))
        self._events.append(seen)
        _log.error("gpu_xid", gpu=self.card_id, code=seen.code, meaning=seen.meaning)


def xid_event(code: int) -> XidEvent:
    """An event with the current time; fatal unless its code is known to be harmless."""
    fatal = code not in _OF_A_PROGRAM | _NOTICES
    return XidEvent(code, utc_now(), _MEANINGS.get(code, "see NVIDIA's list of XIDs"), fatal=fatal)
