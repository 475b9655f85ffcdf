"""The registry of an installation: files, versions, users, runs and the desired state."""
