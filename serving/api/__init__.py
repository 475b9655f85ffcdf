"""The doors: HTTP is translated here, and nothing is decided."""
