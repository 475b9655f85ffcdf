"""How fast requests that outlive a connection are taken in, handed out and ended."""
