"""Chooses the files of a repository to take, and what to quantize them to."""
