"""What keeps the queue in order, in every process that takes jobs from it."""
