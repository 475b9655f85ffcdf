"""The model's life as Prefect flows."""
