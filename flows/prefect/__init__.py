"""Prefect's server: where it is, who may ask it, and one of our own where none runs."""
