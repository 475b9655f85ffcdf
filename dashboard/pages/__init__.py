"""The pages, one a file; each has `show`, which draws it once."""
