"""The router's knowledge of the fleet, and the loops that change the fleet."""
