"""Model files by content hash, on a volume that processes and machines may share."""

from modelyard.registry.store.object_writer import StoredObject
from modelyard.registry.store.store import Store

__all__ = ["Store", "StoredObject"]
