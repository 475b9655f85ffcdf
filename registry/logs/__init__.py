"""Log lines of every process: one form, one line each, nobody's values and no secrets in them."""

from modelyard.registry.logs.faults import told
from modelyard.registry.logs.logger import logger
from modelyard.registry.logs.set_up import set_up

__all__ = ["logger", "set_up", "told"]
