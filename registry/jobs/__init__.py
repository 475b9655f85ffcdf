"""Jobs: requests that outlive the connection they came by, and the durable queue of them."""
