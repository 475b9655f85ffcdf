"""Checks a GGUF header before loading: llama.cpp aborts on bad files, this raises an error."""

from pathlib import Path

from modelyard.serving.engines.gguf import header
from modelyard.serving.engines.gguf.cursor import MalformedGguf
from modelyard.serving.engines.gguf.header import Header
from modelyard.serving.engines.gguf.unsupported import UnsupportedGguf
from modelyard.serving.errors import ModelUnloadable


def read_header(path: Path) -> Header:
    """Read and check a header; raises ModelUnloadable if the file is missing or not whole."""
    try:
        return header.read(path)
    except OSError as error:
        raise ModelUnloadable(f"{path} cannot be read: {error.strerror}.") from None
    except UnsupportedGguf as error:
        raise ModelUnloadable(f"{path} is not read here: {error}.", fix=error.fix) from None
    except MalformedGguf as error:
        raise ModelUnloadable(
            f"{path} is not a usable GGUF file: {error}.", fix="Download or build it again."
        ) from None
