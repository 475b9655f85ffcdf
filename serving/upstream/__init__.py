"""HTTP client of the gateway for engines and workers."""
