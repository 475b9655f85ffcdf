"""Model files by their content, on a volume that many processes and machines may share."""

from modelyard.registry.store.object_writer import StoredObject
from modelyard.registry.store.store import Store

__all__ = ["Store", "StoredObject"]
