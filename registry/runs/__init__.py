"""Lifecycle runs and how far they are."""
