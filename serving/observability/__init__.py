"""Request records, and the Prometheus series made from them."""
