"""The HTTP endpoints of an engine process."""
