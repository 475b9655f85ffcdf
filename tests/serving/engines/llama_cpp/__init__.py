"""The GGUF engine on tiny models of random weights."""
