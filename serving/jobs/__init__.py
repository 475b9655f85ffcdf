"""Jobs in a serving process: taken from the queue and run on engines when there is room."""
