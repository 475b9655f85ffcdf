"""The engines: their words, their process, their HTTP face."""
