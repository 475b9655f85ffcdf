"""Commands about what was: usage, lifecycle runs, and the services' logs."""
