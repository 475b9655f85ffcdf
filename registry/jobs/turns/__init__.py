"""Whose turn it is: by priority and waiting, then fairly among users, then by deadline."""
