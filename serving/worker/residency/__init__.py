"""Which versions are loaded on a device, and which leaves for another."""
