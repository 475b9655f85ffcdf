"""Which engine runs which format; each is imported only where it is chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from serving.engines.config import EngineConfig
from serving.engines.engine import LoadedModel
from serving.engines.footprint import Footprint
from serving.engines.offer import Endpoint
from serving.errors import ModelUnloadable


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, the endpoints it answers, and the memory it takes."""

    model: LoadedModel
    endpoints: Mapping[str, Endpoint]
    footprint: Callable[[], Footprint]


def load_engine(config: EngineConfig) -> Loaded:
    """Load the version's file; raises ModelUnloadable with the reason."""
    loader = _LOADERS.get(config.format)
    if loader is None:
        raise ModelUnloadable(
            f"No engine here runs the format '{config.format}'.",
            fix=f"Formats: {', '.join(_LOADERS)}.",
        )
    return loader(config)


def _gguf(config: EngineConfig) -> Loaded:
    from serving.engines.api import EngineApi
    from serving.engines.embedding_api import EmbeddingApi
    from serving.engines.llama_cpp.binding import reserved
    from serving.engines.llama_cpp.embedder import LlamaEmbedder
    from serving.engines.llama_cpp.load import load
    from serving.engines.llama_cpp.mapping import let_go
    from serving.engines.token_api import TokenApi

    model = load(config)
    reads = isinstance(model, LlamaEmbedder)
    work = EmbeddingApi(model, config) if reads else EngineApi(model, config)
    path = Path(config.path)
    if reserved.repacked:
        let_go(path)
    offered = work.endpoints() | TokenApi(model).endpoints()
    return Loaded(model, offered, partial(reserved.footprint, path))


def _onnx(config: EngineConfig) -> Loaded:
    from serving.engines.encoder_api import EncoderApi
    from serving.engines.onnx.load import load

    engine = load(config)
    return Loaded(engine, EncoderApi(engine, config).endpoints(), _resident)


def _mock(config: EngineConfig) -> Loaded:
    from serving.engines.api import EngineApi
    from serving.engines.mock import MockEngine

    engine = MockEngine(
        parallel=config.parallel,
        context_length=config.context_length or 4096,
        **config.options,
    )
    return Loaded(engine, EngineApi(engine, config).endpoints(), _resident)


def _resident() -> Footprint:
    """All this process holds, where an engine does not tell its parts."""
    return Footprint(process=psutil.Process().memory_info().rss)


_LOADERS: dict[str, Callable[[EngineConfig], Loaded]] = {
    "gguf": _gguf,
    "mock": _mock,
    "onnx": _onnx,
}
