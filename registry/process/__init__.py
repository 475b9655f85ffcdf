"""How a process of ours starts: its logs, its files, and the Python processes that it starts."""
