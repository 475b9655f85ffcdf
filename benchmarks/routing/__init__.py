"""Routing policies against one another on simulated fleets: `python -m benchmarks.routing`."""
