"""HTTP connections: reading requests within bounds, and writing responses within bounds."""
