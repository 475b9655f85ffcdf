"""Which requests may have ended an engine, and how each is tried alone."""
