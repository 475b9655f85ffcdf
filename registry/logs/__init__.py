"""Log lines of every process: one format, one line per event, without user data or secrets."""

from modelyard.registry.logs.faults import told
from modelyard.registry.logs.logger import logger
from modelyard.registry.logs.set_up import set_up

__all__ = ["logger", "set_up", "told"]
