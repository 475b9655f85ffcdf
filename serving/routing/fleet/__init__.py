"""What the router knows of the fleet, and how it learns it."""
