"""Imports every table, so that migrations and foreign keys can find them."""

from modelyard.registry import marks
from modelyard.registry.batches import tables as batches
from modelyard.registry.billing import tables as billing
from modelyard.registry.callbacks import tables as callbacks
from modelyard.registry.catalog import tables as catalog
from modelyard.registry.files import tables as files
from modelyard.registry.fleet import tables as fleet
from modelyard.registry.identity import tables as identity
from modelyard.registry.jobs import tables as jobs
from modelyard.registry.notices import tables as notices
from modelyard.registry.runs import tables as runs

__all__ = [
    "batches",
    "billing",
    "callbacks",
    "catalog",
    "files",
    "fleet",
    "identity",
    "jobs",
    "marks",
    "notices",
    "runs",
]
