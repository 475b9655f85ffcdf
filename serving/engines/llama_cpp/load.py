"""Loads a GGUF file with its settings into a running engine."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.gguf.architectures import is_encoder
from modelyard.serving.engines.gguf.header import Header
from modelyard.serving.engines.llama_cpp.adapters import LoadedAdapters
from modelyard.serving.engines.llama_cpp.embedder import LlamaEmbedder
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.kv.costs import LearnedCosts
from modelyard.serving.engines.llama_cpp.kv.prefix_cache import KvCache
from modelyard.serving.engines.llama_cpp.kv.spill import Spill
from modelyard.serving.engines.llama_cpp.model.binding import ContextShape, LlamaContext, LlamaModel
from modelyard.serving.engines.llama_cpp.model.estimate import SCORED_ROWS, context_of
from modelyard.serving.engines.llama_cpp.model.header import read_header
from modelyard.serving.engines.llama_cpp.prompt.chat import ChatTemplate
from modelyard.serving.engines.llama_cpp.prompt.prompting import PromptPreparation
from modelyard.serving.engines.llama_cpp.sampling.grammar import Grammars
from modelyard.serving.engines.llama_cpp.scheduler import Scheduler
from modelyard.serving.engines.llama_cpp.speculation.draft_model import (
    DraftModel,
    ModelDrafter,
    check_same_words,
)
from modelyard.serving.engines.llama_cpp.speculation.drafting import Drafter, PromptLookup
from modelyard.serving.engines.llama_cpp.speculation.speculation import Speculation
from modelyard.serving.engines.llama_cpp.speed import Speed
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.errors import ModelUnloadable

_POOLINGS = (0, 1, 2, 3)  # none, mean, first, last: llama.cpp's numbers


def load(config: EngineConfig) -> LlamaEngine | LlamaEmbedder:
    """Check the file, map it, create its context; raises ModelUnloadable with the reason."""
    header = read_header(Path(config.path))
    pooling = header.number("pooling_type")
    if pooling not in _POOLINGS:
        raise ModelUnloadable(f"{config.path} ranks texts (pooling {pooling}): not served yet.")
    if not pooling and is_encoder(header.values):
        raise ModelUnloadable(
            f"{config.path} is an encoder ({header.architecture}) that does not say how its "
            "vectors are pooled.",
            fix=f"Its metadata lacks {header.architecture}.pooling_type.",
        )
    return _embedder(header, config) if pooling else load_writer(config)


def _embedder(header: Header, config: EngineConfig) -> LlamaEmbedder:
    """The embedder; an encoder reads a whole input at once, so the batch must hold one."""
    length = _context_length(header, config)
    batch = max(config.batch, length)
    shape = replace(_shape(config, length), batch=batch, outputs=batch, pooled=True)
    model = LlamaModel.load(config.path, gpu_layers=config.gpu_layers)
    context = LlamaContext(model, shape)
    return LlamaEmbedder(model, Vocabulary.of(model), context, length, config.max_queue)


def load_writer(config: EngineConfig) -> LlamaEngine:
    """Load a text-generation model."""
    header = read_header(Path(config.path))
    context_length = _context_length(header, config)
    model = LlamaModel.load(config.path, gpu_layers=config.gpu_layers)
    if not model.generates:
        raise ModelUnloadable(f"{config.path} is not a model that writes text.")
    vocabulary = Vocabulary.of(model)
    context = LlamaContext(model, _shape(config, context_length))
    speed = Speed()
    shared = _shared(config)
    cache = KvCache(context, _spill(config, context, speed, shared=shared), shared)
    draft = _draft_model(config, context_length, vocabulary) if model.forgets else None
    speculation = Speculation(_drafters(config, model, draft), config.kv_unified)
    adapters = LoadedAdapters(model, context, Path(config.store) if config.store else None)
    scheduler = Scheduler(
        context, vocabulary, cache, adapters, speed, speculation, config.spill_after_s
    )
    grammars = Grammars(vocabulary.handle)
    source = config.chat_template or model.chat_template
    template = ChatTemplate.of(source, vocabulary) if source else None
    prompting = PromptPreparation(vocabulary, template, grammars, context_length)
    return LlamaEngine(model, vocabulary, scheduler, prompting, config.max_queue, draft)


def _draft_model(
    config: EngineConfig, context_length: int, vocabulary: Vocabulary
) -> DraftModel | None:
    if not config.draft_path or not config.speculate:
        return None
    trained = read_header(Path(config.draft_path)).number("context_length", context_length)
    length = min(context_length, trained)
    model = LlamaModel.load(config.draft_path, gpu_layers=config.gpu_layers)
    check_same_words(Vocabulary.of(model), vocabulary, config.draft_path)
    shape = replace(_shape(config, length), unified=False, cells=length * config.parallel)
    return DraftModel(model, LlamaContext(model, shape), length)


def _drafters(
    config: EngineConfig, model: LlamaModel, draft: DraftModel | None
) -> Sequence[Drafter]:
    """One drafter per slot; none for memory that cannot drop a wrong guess."""
    if not config.speculate or not model.forgets:
        return ()
    if draft is not None:
        return [ModelDrafter(draft, index) for index in range(config.parallel)]
    return [PromptLookup() for _ in range(config.parallel)]


def _spill(config: EngineConfig, context: LlamaContext, speed: Speed, *, shared: bool) -> Spill:
    spill = Spill(context, LearnedCosts(speed), config.spill_bytes, shared=shared)
    if config.spill_folder:
        spill.folder = Path(config.spill_folder)
    return spill


def _shared(config: EngineConfig) -> bool:
    """Whether tenants share cached prompts, which lets them infer what others asked."""
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


def _shape(config: EngineConfig, context_length: int) -> ContextShape:
    return ContextShape(
        cells=context_length if config.kv_unified else context_length * config.parallel,
        sequences=config.parallel,
        batch=max(config.batch, config.parallel),
        threads=config.threads or _threads(),
        unified=config.kv_unified,
        kv_type=config.kv_type,
        outputs=config.parallel + SCORED_ROWS,
    )


def _threads() -> int:
    """All cores but one, left to Python: with all cores busy, llama.cpp's barriers spin."""
    return max(1, len(os.sched_getaffinity(0)) - 1)
