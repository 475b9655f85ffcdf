"""Fetches snapshots and files from the Hub, resuming broken transfers."""
