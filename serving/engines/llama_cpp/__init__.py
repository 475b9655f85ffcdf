"""GGUF models by llama.cpp's low-level API, with continuous batching."""
