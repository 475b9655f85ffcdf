"""The middleware that every API request passes first."""
