"""Benchmarks: each prints ratios against a peer or a floor, interleaved in one run."""
