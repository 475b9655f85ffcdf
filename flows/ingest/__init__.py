"""A model from the Hub into the registry: request, flow, tasks and the command that runs it."""
