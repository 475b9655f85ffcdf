"""The floor of the ONNX benchmark: the network alone, text by text, on every core."""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.serving.engines.onnx.heads import normalised
from modelyard.serving.engines.onnx.network import Network
from modelyard.serving.engines.onnx.placement import Provider, ProviderChoice, open_session
from modelyard.serving.engines.onnx.tokens import EncodedText, TextTokenizer

FLOOR = "the network alone, text by text"
LIMIT = 256


def network_alone(
    model: Path, sent: Sequence[str], threads: int
) -> tuple[float, float, float, float, Any]:
    """Texts a second, p50 and p99 ms, processor ms a text, and the first 64 vectors.

    Texts are tokens already, every thread runs one after the other, nobody is answered.
    """
    import onnxruntime

    session = open_session(onnxruntime, model, ProviderChoice(Provider.CPU), {})
    network = Network.of(session, padding=0)
    texts = TextTokenizer.load(model.with_name("tokenizer.json"), LIMIT).read(sent, truncate=True)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda text: network.run([text]), texts[:64]))
        used = time.process_time()
        begun = time.perf_counter()
        took = list(pool.map(lambda text: _seconds(network, text), texts))
        seconds, used = time.perf_counter() - begun, time.process_time() - used
    cut = statistics.quantiles(took, n=100)
    vectors = np.array([_vector(network, text) for text in texts[:64]])
    return len(sent) / seconds, cut[49] * 1e3, cut[98] * 1e3, used / len(sent) * 1e3, vectors


def _seconds(network: Network, text: EncodedText) -> float:
    begun = time.perf_counter()
    network.run([text])
    return time.perf_counter() - begun


def _vector(network: Network, text: EncodedText) -> Any:
    states, _ = network.run([text])
    return normalised(states[0].mean(0))
