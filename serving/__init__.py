"""The serving tier: gateway, workers and engines."""
