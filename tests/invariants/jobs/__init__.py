"""The queue of requests under every order of events that a seed can draw."""
