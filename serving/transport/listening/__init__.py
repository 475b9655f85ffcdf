"""How our servers take connections: bounded before anybody is known, and never without an end."""
