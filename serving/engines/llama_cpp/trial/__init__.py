"""Whether the installed llama.cpp computes rightly on this processor: tried once, and kept."""
