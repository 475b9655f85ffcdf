"""From a file and settings to an engine that answers."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serving.engines.config import EngineConfig
from serving.engines.gguf.header import Header
from serving.engines.llama_cpp.adapters import Adapters
from serving.engines.llama_cpp.binding import Context, Model, Shape
from serving.engines.llama_cpp.cache import KvCache
from serving.engines.llama_cpp.chat import ChatTemplate
from serving.engines.llama_cpp.costs import LearnedCosts
from serving.engines.llama_cpp.draft_model import DraftModel, ModelDrafter, check_same_words
from serving.engines.llama_cpp.drafting import Drafter, PromptLookup
from serving.engines.llama_cpp.embedder import LlamaEmbedder
from serving.engines.llama_cpp.engine import LlamaEngine
from serving.engines.llama_cpp.estimate import SCORED_ROWS, context_of
from serving.engines.llama_cpp.grammar import Grammars
from serving.engines.llama_cpp.header import read_header
from serving.engines.llama_cpp.prompting import Prompting
from serving.engines.llama_cpp.scheduler import Scheduler
from serving.engines.llama_cpp.speculation import Speculation
from serving.engines.llama_cpp.speed import Speed
from serving.engines.llama_cpp.spill import Spill
from serving.engines.llama_cpp.vocabulary import Vocabulary
from serving.errors import ModelUnloadable

_POOLINGS = (0, 1, 2, 3)  # none, mean, first, last: llama.cpp's numbers


def load(config: EngineConfig) -> LlamaEngine | LlamaEmbedder:
    """Check the file, map it, make its context; raises ModelUnloadable with the reason."""
    header = read_header(Path(config.path))
    pooling = header.number("pooling_type")
    if pooling not in _POOLINGS:
        raise ModelUnloadable(f"{config.path} ranks texts (pooling {pooling}): not served yet.")
    return _embedder(header, config) if pooling else load_writer(config)


def _embedder(header: Header, config: EngineConfig) -> LlamaEmbedder:
    """A whole input has to fit into one batch: an encoder reads it at once."""
    length = _context_length(header, config)
    batch = max(config.batch, length)
    shape = replace(_shape(config, length), batch=batch, outputs=batch, pooled=True)
    model = Model.load(config.path, gpu_layers=config.gpu_layers)
    context = Context(model, shape)
    return LlamaEmbedder(model, Vocabulary.of(model), context, length, config.max_queue)


def load_writer(config: EngineConfig) -> LlamaEngine:
    """Load a model that writes text."""
    header = read_header(Path(config.path))
    context_length = _context_length(header, config)
    model = Model.load(config.path, gpu_layers=config.gpu_layers)
    if not model.generates:
        raise ModelUnloadable(f"{config.path} is not a model that writes text.")
    vocabulary = Vocabulary.of(model)
    source = config.chat_template or model.chat_template
    template = ChatTemplate.of(source, vocabulary) if source else None
    context = Context(model, _shape(config, context_length))
    speed, shared = Speed(), _shared(config)
    cache = KvCache(context, _spill(config, context, speed, shared=shared), shared)
    draft = _draft_model(config, context_length, vocabulary) if model.forgets else None
    speculation = Speculation(_drafters(config, model, draft), config.kv_unified)
    adapters = Adapters(model, context, Path(config.store) if config.store else None)
    scheduler = Scheduler(
        context, vocabulary, cache, adapters, speed, speculation, config.spill_after_s
    )
    grammars = Grammars(vocabulary.handle)
    prompting = Prompting(vocabulary, template, grammars, context_length)
    return LlamaEngine(model, vocabulary, scheduler, prompting, config.max_queue, draft)


def _draft_model(
    config: EngineConfig, context_length: int, vocabulary: Vocabulary
) -> DraftModel | None:
    if not config.draft_path or not config.speculate:
        return None
    trained = read_header(Path(config.draft_path)).number("context_length", context_length)
    length = min(context_length, trained)
    model = Model.load(config.draft_path, gpu_layers=config.gpu_layers)
    check_same_words(Vocabulary.of(model), vocabulary, config.draft_path)
    shape = replace(_shape(config, length), unified=False, cells=length * config.parallel)
    return DraftModel(model, Context(model, shape), length)


def _drafters(config: EngineConfig, model: Model, draft: DraftModel | None) -> Sequence[Drafter]:
    """One for each slot; none for memory that cannot take a wrong guess back."""
    if not config.speculate or not model.forgets:
        return ()
    if draft is not None:
        return [ModelDrafter(draft, index) for index in range(config.parallel)]
    return [PromptLookup() for _ in range(config.parallel)]


def _spill(config: EngineConfig, context: Context, speed: Speed, *, shared: bool) -> Spill:
    spill = Spill(context, LearnedCosts(speed), config.spill_bytes, shared=shared)
    if config.spill_folder:
        spill.folder = Path(config.spill_folder)
    return spill


def _shared(config: EngineConfig) -> bool:
    """Whether tenants may use one another's prompts: then they can tell what others asked."""
    shared = config.options.get("share_prefixes", False)
    unknown = sorted(config.options.keys() - {"share_prefixes"})
    if unknown or not isinstance(shared, bool):
        raise ModelUnloadable(
            f"Engine options {unknown or {'share_prefixes': shared}} are not known here.",
            fix="share_prefixes is true or false.",
        )
    return shared


def _context_length(header: Header, config: EngineConfig) -> int:
    trained = header.number("context_length")
    if trained and config.context_length > trained:
        raise ModelUnloadable(
            f"A context of {config.context_length} tokens is longer than the model's {trained}.",
            fix=f"Ask for at most {trained}.",
        )
    return context_of(header, config.context_length)


def _shape(config: EngineConfig, context_length: int) -> Shape:
    return Shape(
        cells=context_length if config.kv_unified else context_length * config.parallel,
        sequences=config.parallel,
        batch=max(config.batch, config.parallel),
        threads=config.threads or _threads(),
        unified=config.kv_unified,
        kv_type=config.kv_type,
        outputs=config.parallel + SCORED_ROWS,
    )


def _threads() -> int:
    """One core is left to Python: with every core busy, llama.cpp's barriers spin."""
    return max(1, len(os.sched_getaffinity(0)) - 1)
