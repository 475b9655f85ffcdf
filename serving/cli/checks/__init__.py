"""What `modelyard doctor` looks at."""
