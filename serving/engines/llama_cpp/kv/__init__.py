"""The KV cache: slots, prefix cache, spill to disk."""
