"""Callbacks: what is told to an address of the user's when a job or a batch has ended."""
