"""The command that talks to a model."""
