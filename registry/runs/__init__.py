"""Lifecycle runs and their progress."""
