"""Tool calls: their formats, parsing them, and grammars that enforce them."""
