"""Model files by their content, on a volume that many processes and machines may share."""

from registry.store.store import Store
from registry.store.writing import StoredObject

__all__ = ["Store", "StoredObject"]
