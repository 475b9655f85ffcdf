"""Models, versions, aliases, adapters and builds."""
