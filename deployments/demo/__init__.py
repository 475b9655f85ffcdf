"""The demo: a bundled Hub with one small model of our own, so that everything runs offline."""
