"""Batches: many jobs that are handed in, shown and cancelled together."""
