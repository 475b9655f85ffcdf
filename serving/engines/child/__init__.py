"""An engine process as its parent sees it: environment, pipes, limits and exit status."""
