"""Nobody is sent to a package index for a name that is not ours there."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import name, repository

FROM_AN_INDEX = re.compile(
    r"""(?:pip3?|pipx|uv|poetry|conda)\s+(?:tool\s+|pip\s+)?(?:install|add|run)\s+
    (?:-\S+\s+)*['"]?modelyard(?![\w/.*-])|uvx\s+modelyard""",
    re.VERBOSE,
)


BINARY = {".gguf", ".gz", ".png"}


def test_no_text_installs_modelyard_from_an_index() -> None:
    """The name is nobody's there yet: whoever takes it would be installed."""
    texts = [f for f in repository() if f.suffix not in BINARY and f != Path(__file__)]
    assert [name(f) for f in texts if FROM_AN_INDEX.search(f.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "is_from_an_index"),
    [
        ("pip install modelyard", True),
        ("pip install 'modelyard[gguf]'", True),
        ("uv pip install -U modelyard", True),
        ("uvx modelyard up", True),
        ("pip install ./modelyard-0.1.0-py3-none-any.whl", False),
        ("pip install dist/modelyard-*.whl", False),
        ("pip install --force-reinstall llama-cpp-python", False),
    ],
)
def test_what_comes_from_an_index_is_found(text: str, is_from_an_index: bool) -> None:  # noqa: FBT001
    """Files of ours are not."""
    assert bool(FROM_AN_INDEX.search(text)) is is_from_an_index
