"""One completion from admission to its usage record."""
