"""What holds for the whole tree: its shape, its imports, and what it must not contain."""
