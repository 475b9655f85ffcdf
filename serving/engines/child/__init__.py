"""An engine process as its parent sees it: environment, pipes and exit status."""
