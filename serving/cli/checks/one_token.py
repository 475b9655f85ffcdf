"""One token through the engine: the process, its port, the model's load and one step."""

from importlib.util import find_spec
from pathlib import Path

from modelyard.serving.cli.checks.finding import Finding, fail, ok
from modelyard.serving.errors import ServingError

_CHECK = "One token"
_MODEL = "modelyard/tiny-shakespeare-GGUF/shakespeare-f16.gguf"
START_S = 60.0


def one_token() -> Finding:
    """Have the demo's model, which comes with the package, write a token as requests do."""
    model = _bundled()
    if model is None or find_spec("llama_cpp") is None:
        return ok(_CHECK, "not tried: the GGUF engine or the demo's model is not installed")
    from modelyard.registry.catalog.model import Format
    from modelyard.serving.engines.child.child import open_child, settings_for

    config = settings_for(model, Format.GGUF, name="doctor", context_length=64, threads=1)
    try:
        with open_child(config, start_s=START_S) as engine:
            body = {"model": "doctor", "prompt": "What news", "max_tokens": 1, "temperature": 0}
            answer = engine.ask("/v1/completions", body)
    except ServingError as error:
        return fail(_CHECK, error.message, error.fix or "See that ports and memory are free.")
    if answer["usage"]["completion_tokens"] != 1:
        return fail(_CHECK, "the engine answered without a token", "Try `make setup` anew.")
    return ok(_CHECK, f"the engine loaded the demo's model in {engine.load_s:.1f} s and wrote one")


def _bundled() -> Path | None:
    """The demo's model, where the package came with it."""
    package = find_spec("modelyard")
    folders = (package.submodule_search_locations or ()) if package else ()
    files = (Path(folder, "deployments/demo/models", _MODEL) for folder in folders)
    return next((file for file in files if file.is_file()), None)
