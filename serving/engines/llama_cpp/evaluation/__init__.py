"""How well a GGUF model predicts text, measured in a child process."""
