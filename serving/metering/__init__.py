"""What was used: kept from the first byte on, in the ledger soon after the last."""
