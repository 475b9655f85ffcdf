"""What exists and what should be running: files, versions, users, runs."""
