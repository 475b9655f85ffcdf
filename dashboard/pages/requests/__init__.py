"""The page of requests and batches, and of one request."""
