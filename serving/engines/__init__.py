"""What runs a model: one engine per format behind one face, each version in its own process."""
