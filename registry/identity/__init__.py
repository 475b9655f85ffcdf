"""Users, API keys, sessions and who is calling."""
