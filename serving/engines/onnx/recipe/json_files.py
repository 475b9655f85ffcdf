"""Reads the small JSON files that come with a model, bounded in size."""

import json
from pathlib import Path
from typing import Any, cast

from modelyard.serving.errors import ModelUnloadable

_MOST_BYTES = 8 * 1024 * 1024


def read_object(file: Path) -> dict[str, Any]:
    """A file's JSON object; empty if there is no such file. Raises ModelUnloadable."""
    value = read_json(file) if file.is_file() else {}
    if not isinstance(value, dict):
        raise ModelUnloadable(f"{file.name} is no JSON object.")
    return cast("dict[str, Any]", value)


def read_json(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ModelUnloadable(f"{file.name} is larger than {_MOST_BYTES} bytes.")
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelUnloadable(f"{file.name} is not valid JSON: {error}.") from None
