"""The Prefect server: its address, its login, and a temporary one if none runs."""
