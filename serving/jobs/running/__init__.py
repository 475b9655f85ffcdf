"""One job at work: through the gateway to an engine, and what came of it."""
