"""Admission control: rate limits, concurrency limits and quotas."""
