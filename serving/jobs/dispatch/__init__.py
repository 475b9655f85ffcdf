"""Takes jobs from the queue as there is room, keeps them while they run, and ends them."""
