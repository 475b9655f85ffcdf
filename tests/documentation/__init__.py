"""The programs in the documentation run as they stand there."""
