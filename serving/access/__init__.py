"""Authentication: API keys, session tokens and logins."""
