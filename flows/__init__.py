"""Prefect flows for a model's life cycle."""
