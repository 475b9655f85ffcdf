"""A version that every place has."""

from modelyard.flows.context import FlowContext
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.flows.steps.publish.embed import embed
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile

COMMIT = "c" * 40


def registered(context: FlowContext, model: str, content: str = "weights") -> ModelVersion:
    """Register a file of this content, as an ingest does at its end."""
    kept = context.store.put([f"{model} {content}".encode()])
    files = [StoredFile("m.gguf", kept.sha256, kept.size)]
    facts = ModelFacts(Format.GGUF, "llama")
    version = context.catalog.register(model, model, COMMIT, facts, files, {}, pending=True)
    context.store.pin(kept.sha256, f"version:{version.id}")
    embed(context.index, context.store, version, HubSnapshot(model, COMMIT, ()))
    number = context.mlflow.register(version, {}, {}, {})
    finished = context.catalog.finish(version.id, number)
    assert context.aliases.tell() == ""
    return finished
