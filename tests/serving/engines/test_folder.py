"""A version's files get their own names back, inside one folder."""

from pathlib import Path

import pytest

from modelyard.serving.engines.folder import lay_out
from modelyard.serving.errors import ModelUnloadable


def test_bytes_are_copied_to_the_names_below(tmp_path: Path) -> None:
    """Copies, not links: ONNX refuses those."""
    source = tmp_path / "ab12"
    source.write_bytes(b"weights")
    made = lay_out({"onnx/model.onnx_data": source}, tmp_path / "folder")
    copy = made / "onnx/model.onnx_data"
    assert copy.read_bytes() == b"weights"
    assert copy.stat().st_ino != source.stat().st_ino


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "a/../../b", ""])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A repository's file names are a stranger's."""
    source = tmp_path / "ab12"
    source.write_bytes(b"weights")
    with pytest.raises(ModelUnloadable):
        lay_out({name: source}, tmp_path / "folder")
