"""HTTP connections: reading requests within bounds, writing responses to those who read them."""
