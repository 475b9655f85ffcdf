"""Headers in which gateway and engines exchange what is not in the body."""

MODEL = "X-Modelyard-Model"
"""The client's name for the model; replies repeat it."""

COUNT = "X-Modelyard-Count"
"""Asks an engine to end a stream with its usage, in the form of `openai.events.counted`."""

TENANT = "X-Modelyard-Tenant"
"""The request's tenant: a cached prompt is reused for the same tenant only."""

ADAPTER = "X-Modelyard-Adapter"
"""The sha256 of the LoRA adapter to use, which is in the worker's store."""
