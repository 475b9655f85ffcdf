"""The headers by which gateway and engines tell each other what is not in the body."""

MODEL = "X-Modelyard-Model"
"""The name a client used for the model; replies repeat it."""

COUNT = "X-Modelyard-Count"
"""Asks an engine to end a stream with what it used, as `openai.events.counted` writes it."""

TENANT = "X-Modelyard-Tenant"
"""Whose request it is: what is remembered of a prompt serves the same tenant only."""

ADAPTER = "X-Modelyard-Adapter"
"""The sha256 of the LoRA adapter to answer under, found in the store that the worker sees."""
