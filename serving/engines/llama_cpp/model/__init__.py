"""A model file in memory: binding, vocabulary, size estimate."""
