"""Maps formats to engines, which are imported only when used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.endpoints import Endpoint
from modelyard.serving.engines.engine import LoadedModel
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.errors import ModelUnloadable


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A loaded model, its endpoints, and its memory."""

    model: LoadedModel
    endpoints: Mapping[str, Endpoint]
    footprint: Callable[[], Footprint]


def load_engine(config: EngineConfig) -> LoadResult:
    """Load the version's file; raises ModelUnloadable with the reason."""
    loader = _LOADERS.get(config.format)
    if loader is None:
        raise ModelUnloadable(
            f"No engine here runs the format '{config.format}'.",
            fix=f"Formats: {', '.join(_LOADERS)}.",
        )
    return loader(config)


def _gguf(config: EngineConfig) -> LoadResult:
    from modelyard.serving.engines.http.completions import EngineApi
    from modelyard.serving.engines.http.embedding_api import EmbeddingApi
    from modelyard.serving.engines.http.token_api import TokenApi
    from modelyard.serving.engines.llama_cpp.embedder import LlamaEmbedder
    from modelyard.serving.engines.llama_cpp.load import load
    from modelyard.serving.engines.llama_cpp.model.binding import reserved
    from modelyard.serving.engines.llama_cpp.model.mapping import let_go

    model = load(config)
    reads = isinstance(model, LlamaEmbedder)
    work = EmbeddingApi(model, config) if reads else EngineApi(model, config)
    path = Path(config.path)
    if reserved.repacked:
        let_go(path)
    offered = work.endpoints() | TokenApi(model).endpoints()
    return LoadResult(model, offered, partial(reserved.footprint, path))


def _onnx(config: EngineConfig) -> LoadResult:
    from modelyard.serving.engines.http.encoder_api import EncoderApi
    from modelyard.serving.engines.onnx.load import load

    engine = load(config)
    return LoadResult(engine, EncoderApi(engine, config).endpoints(), _resident)


def _mock(config: EngineConfig) -> LoadResult:
    from modelyard.serving.engines.http.completions import EngineApi
    from modelyard.serving.engines.mock import MockEngine

    engine = MockEngine(
        parallel=config.parallel,
        context_length=config.context_length or 4096,
        **config.options,
    )
    return LoadResult(engine, EngineApi(engine, config).endpoints(), _resident)


def _resident() -> Footprint:
    """The process's resident memory, for engines that do not report it by part."""
    return Footprint(process=psutil.Process().memory_info().rss)


_LOADERS: dict[str, Callable[[EngineConfig], LoadResult]] = {
    "gguf": _gguf,
    "mock": _mock,
    "onnx": _onnx,
}
