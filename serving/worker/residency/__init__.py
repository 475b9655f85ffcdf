"""Which versions are loaded on a device, and which are evicted."""
