"""Adds the configured draft model to an engine's settings, if it suits the version."""

from contextlib import ExitStack
from pathlib import Path

from modelyard.registry.catalog.model import Format, ModelRef, ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.registry.logs import logger
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.worker.residency.versions import VersionSource

_log = logger("modelyard.worker")


def with_draft(
    config: EngineConfig,
    version: ModelVersion,
    name: str,
    versions: VersionSource,
    *,
    held: ExitStack,
) -> EngineConfig:
    """The settings with the draft model's file, held on the volume while `held` is open.

    A version with another vocabulary size gets no draft, nor does the draft model itself. Where
    `name` cannot be had, which is logged, versions do without: a draft only makes them faster.
    """
    if not name or version.facts.format != Format.GGUF:
        return config
    try:
        draft = versions.named(ModelRef.parse(name))
        if draft.id == version.id or draft.facts.format != Format.GGUF:
            return config
        path = held.enter_context(versions.hold(draft))
    except ModelyardError as error:
        tell_missing(name, error)
        return config
    if _words(path) != _words(Path(config.path)):
        return config
    return config.model_copy(update={"draft_path": str(path)})


def tell_missing(name: str, error: ModelyardError) -> None:
    """Log that the configured draft model cannot be used."""
    fix = "Set MODELYARD_DRAFT_MODEL to a registered GGUF model, or to nothing."
    _log.error("draft_model_missing", draft_model=name, reason=error.message, fix=fix)


def _words(path: Path) -> int:
    from modelyard.serving.engines.gguf.cursor import ArrayFacts
    from modelyard.serving.engines.llama_cpp.model.header import read_header

    tokens = read_header(path).values.get("tokenizer.ggml.tokens")
    return tokens.length if isinstance(tokens, ArrayFacts) else 0
