"""How soon notices reach their listeners."""
