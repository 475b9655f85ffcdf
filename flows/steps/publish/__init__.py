"""A measured build becomes a registered version that can be found."""
