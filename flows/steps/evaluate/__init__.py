"""How good a build is, and whether that is good enough."""
