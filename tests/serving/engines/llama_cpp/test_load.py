"""A model is loaded as asked, or not at all."""

from pathlib import Path

import pytest

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.llama_cpp.load import load
from modelyard.serving.errors import ModelUnloadable


def test_a_context_longer_than_the_model_s_is_refused(tiny_f32: Path) -> None:
    """The error has both lengths; nothing is loaded."""
    config = EngineConfig(
        version_id="v",
        model_name="m",
        format="gguf",
        path=str(tiny_f32),
        internal_token="0123456789abcdef",
        context_length=4096,
    )
    with pytest.raises(ModelUnloadable, match=r"4096 tokens is longer than the model's 2048"):
        load(config)
