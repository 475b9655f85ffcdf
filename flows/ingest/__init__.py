"""Ingests a model from the Hub: request, flow, tasks and the command that runs it."""
