"""The memory of keys and values: slots, prefix cache, spill to disk."""
