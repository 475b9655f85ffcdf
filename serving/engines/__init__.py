"""The engines: one per format behind a common interface, one process per loaded version."""
