"""Says why llama.cpp does not load a file, in words for its user."""

import re
from importlib.metadata import version

from modelyard.serving.errors import ModelUnloadable

_UNKNOWN = {
    "architecture": re.compile(r"unknown model architecture: '([^']{1,100})'"),
    "pre-tokenizer": re.compile(r"unknown pre-tokenizer type: '([^']{1,100})'"),
    "tokenizer": re.compile(r"unknown tokenizer: '([^']{1,100})'"),
}


def not_loaded(path: str, said: str) -> ModelUnloadable:
    """The error for a file, from llama.cpp's last words about it."""
    for what, form in _UNKNOWN.items():
        if found := form.search(said):
            installed = version("llama-cpp-python")
            return ModelUnloadable(
                f"{path} has the {what} '{found[1]}', which llama.cpp here (llama-cpp-python "
                f"{installed}) does not know.",
                fix="It may be newer than that: update llama-cpp-python, or take another model.",
            )
    return ModelUnloadable(f"llama.cpp cannot load {path}: {said}")
