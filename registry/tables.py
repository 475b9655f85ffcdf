"""Imports every table, so that migrations and foreign keys can find them."""

from modelyard.registry import marks
from modelyard.registry.billing import tables as billing
from modelyard.registry.catalog import tables as catalog
from modelyard.registry.fleet import tables as fleet
from modelyard.registry.identity import tables as identity
from modelyard.registry.notices import tables as notices
from modelyard.registry.runs import tables as runs

__all__ = ["billing", "catalog", "fleet", "identity", "marks", "notices", "runs"]
