"""Requests that Prefect runs: training and fine-tuning, as deployments of these names."""
