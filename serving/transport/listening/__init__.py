"""HTTP connections with limits on size and time that apply before a client is authenticated."""
