"""Model cards: stored, indexed and searched."""
