"""Which worker takes a request, what is loaded where, and why."""
