"""What each request to the API passes first."""
