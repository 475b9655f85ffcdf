"""Real servers, started for the tests and ended with them."""
