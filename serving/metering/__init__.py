"""Usage metering: reserved in a journal when a request begins, booked soon after it ends."""
