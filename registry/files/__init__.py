"""Files that users upload, and those that batches write."""
