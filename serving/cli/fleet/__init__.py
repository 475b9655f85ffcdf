"""Commands about devices and what runs on them."""
