"""The dashboard against a real gateway, and its client against gateways gone wrong."""
