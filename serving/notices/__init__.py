"""Tells listeners of notices as soon as they are there: one bus in each gateway."""
