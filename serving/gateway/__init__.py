"""Handles one completion request from admission to its usage record."""
