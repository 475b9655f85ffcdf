"""Shapes of chat completions: messages, tools, calls and response formats."""
