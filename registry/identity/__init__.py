"""Users, API keys, sessions and the caller of a request."""
