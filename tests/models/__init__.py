"""Tiny models of random weights, made in a second, real enough for llama.cpp."""
