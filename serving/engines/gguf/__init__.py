"""Parses GGUF headers with size limits, before anything loads the file."""
