"""One supervisor per device: which versions are loaded, their engine processes, and telemetry."""
