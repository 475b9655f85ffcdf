"""The pages, one per file; each has a `show` that draws it once."""
