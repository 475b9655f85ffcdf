"""Whether a file from a stranger is a model we can serve, read in a child process."""
