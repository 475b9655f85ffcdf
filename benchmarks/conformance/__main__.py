"""lm-eval and guidellm, unmodified, against a gateway with the demo model; agreement with serial.

  python -m benchmarks.conformance

lm-eval runs its `local-completions` three ways: token lists one by one, token lists eight a
request, texts eight a request. All must give the log-probabilities of llama_cpp's own serial
evaluation. guidellm streams chat and text completions: all must end, at the length it asks for.
The environments are made in a cache folder at first use (guidellm's brings torch).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.conformance.clients import Evaluated, GatewayUnderTest, guidellm, lm_eval
from benchmarks.conformance.questions import questions, write
from benchmarks.conformance.serial import likelihoods
from benchmarks.conformance.tokenizer import write_tokenizer
from modelyard.registry.database import Database
from modelyard.registry.migrate import migrate
from tests.serving.installation import open_installation
from tests.serving.processes import environment, gateway_process, worker_process

MODEL = Path(__file__).parents[2] / (
    "deployments/demo/models/modelyard/tiny-shakespeare-GGUF/shakespeare-f16.gguf"
)
CLOSE = 0.05
"""Half-precision sums depend on how a prompt was cut into batches: so far may a sum be off."""
WAYS: tuple[dict[str, Any], ...] = (
    {"tokenized": True, "batch": 1, "side_by_side": 1},
    {"tokenized": True, "batch": 8, "side_by_side": 2},
    {"tokenized": False, "batch": 8, "side_by_side": 2},
)


@contextmanager
def serving(cache: Path) -> Generator[GatewayUnderTest]:
    """A gateway and a worker over a folder of their own, with the demo model registered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'modelyard.db'}"
        database = Database.connect(url)
        migrate(database)
        database.close()
        env = environment(folder)
        with (
            open_installation(url, folder) as site,
            gateway_process(env, folder) as gateway,
            worker_process(env),
        ):
            site.filled.add_gguf("demo/shakespeare", MODEL)
            while not site.fleet.workers():
                time.sleep(0.1)
            yield GatewayUnderTest(gateway.url, site.ada, "demo/shakespeare", folder, cache)


def furthest(found: Evaluated, right: list[list[float]]) -> float:
    pairs = zip(found.likelihoods, right, strict=True)
    return max(abs(a - b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True))


def evaluate(gateway: GatewayUnderTest, right: list[list[float]]) -> bool:
    good = True
    for way in WAYS:
        found = lm_eval(gateway, **way)
        off = furthest(found, right)
        good &= off < CLOSE
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
        what = "token lists" if way["tokenized"] else "texts"
        print(f"lm-eval    {what:12} {way['batch']} a request  {metrics}  off serial {off:.5f}")
    return good


def stream(gateway: GatewayUnderTest) -> bool:
    good = True
    for path in ("/v1/chat/completions", "/v1/completions"):
        found = guidellm(gateway, path=path, streams=4)
        totals = found["request_totals"]
        tokens = found["output_token_count"]["successful"]
        first = found["time_to_first_token_ms"]["successful"]["median"]
        between = found["inter_token_latency_ms"]["successful"]["median"]
        whole = totals["successful"] == totals["total"] and tokens["min"] == tokens["max"] == 32
        good &= whole
        print(
            f"guidellm   {path:22} {totals['successful']} of {totals['total']} whole,"
            f" {tokens['median']:.0f} tokens each, first {first:.0f} ms, then {between:.1f} ms"
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path.home() / ".cache" / "modelyard-benchmarks"
    parser.add_argument("--cache", type=Path, default=default)
    asked = questions()
    with serving(parser.parse_args().cache) as gateway:
        write(gateway.folder, asked)
        write_tokenizer(MODEL, gateway.folder)
        right = likelihoods(MODEL, asked)
        good = [evaluate(gateway, right), stream(gateway)]
    print(f"bars: off serial < {CLOSE}; every stream whole:", "kept" if all(good) else "MISSED")
    return not all(good)


if __name__ == "__main__":
    sys.exit(main())
