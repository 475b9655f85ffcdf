"""Shapes of what is measured and summed up."""
