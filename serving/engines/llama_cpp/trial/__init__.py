"""Tests once whether the installed llama.cpp computes correctly on this processor."""
