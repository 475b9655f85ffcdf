"""Builds the file to serve from the files of a repository."""
