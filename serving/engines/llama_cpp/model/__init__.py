"""A model file in memory: bindings, header and memory estimate."""
