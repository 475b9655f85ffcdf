"""What an engine reads of a request: any value of any field is taken, or refused by name."""

import importlib
import json
import pkgutil
from collections.abc import Iterator

import pytest

from modelyard.registry.errors import ModelyardError
from modelyard.serving import wire
from modelyard.serving.wire.openai.body import WireModel, read_request
from tests.serving.extremes import IN_JSON

USUAL = {
    "documents": '["a"]',
    "input": '"a"',
    "messages": '[{"role": "user", "content": "a"}]',
    "model": '"talker"',
    "prompt": '"a"',
    "query": '"a"',
    "stream": "true",
    "tokens": "[1]",
}


def shapes() -> Iterator[type[WireModel]]:
    """Every request that there is."""
    for module in pkgutil.walk_packages(wire.__path__, f"{wire.__name__}."):
        importlib.import_module(module.name)
    left = [WireModel]
    while left:
        shape = left.pop()
        left += shape.__subclasses__()
        if shape.__name__.endswith("Request"):
            yield shape


@pytest.mark.parametrize("shape", [*shapes()], ids=lambda shape: shape.__name__)
def test_any_value_of_any_field_is_taken_or_refused(shape: type[WireModel]) -> None:
    """An error that is none of ours would be a 500."""
    for name in shape.model_fields:
        for value in IN_JSON:
            given = {field: USUAL[field] for field in shape.model_fields if field in USUAL}
            text = ", ".join(f'"{key}": {value}' for key, value in (given | {name: value}).items())
            try:
                read_request(shape, f"{{{text}}}".encode())
            except ModelyardError as error:
                assert len(error.message) < 1000  # noqa: PT017  whichever it is
                json.dumps(error.message)


def test_there_are_shapes() -> None:
    """An empty list would let everything pass."""
    assert {"ChatRequest", "CompletionRequest", "RerankRequest"} <= {s.__name__ for s in shapes()}
