"""Estimates of worker speed, cached prefixes and demand, learned from served requests."""
