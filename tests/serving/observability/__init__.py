"""What Prometheus is given."""
