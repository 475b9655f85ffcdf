"""Commands about requests that outlive a connection, alone and in batches."""
