"""Decides which worker takes each request and which versions are loaded where."""
