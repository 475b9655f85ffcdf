"""What is learnt of workers and of demand from the requests that were served."""
