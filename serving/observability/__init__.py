"""What is known of each request, and the Prometheus series made of it."""
