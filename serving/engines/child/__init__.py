"""An engine process as whoever starts it sees it: its environment, its pipes and its end."""
