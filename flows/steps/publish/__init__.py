"""Publishes a measured build as a registered version."""
