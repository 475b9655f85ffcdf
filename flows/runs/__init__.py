"""Runs of flows beyond their own process: their records, their cancellation, and dead ones."""
