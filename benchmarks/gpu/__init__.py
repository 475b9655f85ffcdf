"""What `make gpu-check` does on a machine with an NVIDIA GPU."""
