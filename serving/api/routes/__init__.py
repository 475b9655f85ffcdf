"""The routes of Modelyard's own API and of the health checks."""
