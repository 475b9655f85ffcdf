"""The devices of a machine: detection, measurement, health."""
