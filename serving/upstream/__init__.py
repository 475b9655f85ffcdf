"""HTTP from the gateway to engines and workers."""
