"""Log lines of every process: one form, one line each, nobody's values and no secrets in them."""

from registry.logs.faults import told
from registry.logs.logger import logger
from registry.logs.set_up import set_up

__all__ = ["logger", "set_up", "told"]
