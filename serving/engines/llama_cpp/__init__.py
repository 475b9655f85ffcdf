"""GGUF models on llama.cpp's low-level API, with continuous batching."""
