"""Our GGUF engine against llama.cpp's own server and others over the same library."""
