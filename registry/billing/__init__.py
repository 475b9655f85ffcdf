"""User quotas and usage records."""
