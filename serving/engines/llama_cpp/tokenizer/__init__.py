"""Converts text to tokens and back, for any input text."""
