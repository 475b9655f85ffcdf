"""What is fetched from the Hub, and how a transfer goes on after it broke."""
