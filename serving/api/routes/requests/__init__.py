"""Routes of requests that outlive a connection."""
