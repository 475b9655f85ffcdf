"""Callbacks: told to an address of the user's, which may be anything but one of our own network."""
