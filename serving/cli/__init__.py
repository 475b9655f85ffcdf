"""The `modelyard` command: thin commands over the rooms."""
