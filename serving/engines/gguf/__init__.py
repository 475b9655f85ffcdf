"""The GGUF file format: what a file says of itself, read with caps before anything loads it."""
