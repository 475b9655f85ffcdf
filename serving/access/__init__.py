"""Who is asking: API keys, session tokens and logins."""
