"""An ONNX graph is read by a limited child: what could do harm is refused before it ever runs."""

import pickle
import time
from pathlib import Path

import pytest

from modelyard.flows.errors import InvalidModelFile, ModelRefused
from modelyard.flows.steps.validate.onnx import validate_onnx
from modelyard.registry.catalog.model import Format, Kind
from tests.models import onnx_hostile as hostile
from tests.models.known_encoder import KnownEncoder
from tests.models.onnx_tiny import CLASSIFIER, MARKER, Bert

HUGE = 1 << 20
HOSTILE = {
    "an operator of somebody's own": (hostile.operator("Steal", domain="eve"), "eve.Steal"),
    "something random": (hostile.operator("RandomNormal", shape=[1]), "RandomNormal"),
    "a function": (hostile.function, "functions of its own"),
    "a huge constant": (hostile.sized("ConstantOfShape", [HUGE, HUGE]), "too large"),
    "a huge range": (hostile.sized("Range", [0], [1 << 40], [1]), "Range"),
    "a huge tile": (hostile.sized("Tile", [HUGE, HUGE]), "Tile"),
    "a huge expansion": (hostile.sized("Expand", [HUGE, HUGE, 64]), "Expand"),
    "a huge size that is computed": (hostile.computed_size, "1048576, 1048576"),
    "weights in another folder": (hostile.elsewhere("../secret"), "outside its folder"),
    "weights anywhere": (hostile.elsewhere("/etc/passwd"), "outside its folder"),
    "weights that did not come": (hostile.elsewhere("weights.bin"), "not among its files"),
    "weights beyond the end": (
        hostile.elsewhere("config.json", offset="9999"),
        "beyond the end",
    ),
    "weights at no number": (hostile.elsewhere("config.json", offset="-1"), "weights lie at"),
    "weights by a symbolic link": (hostile.links("outside", hard=False), "no valid model"),
    "weights by a hard link": (hostile.links("outside", hard=True), "no valid model"),
    "an image model": (hostile.inputs, "pixel_values"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_graph_is_refused_quickly_and_clearly(kind: str, tmp_path: Path) -> None:
    """Soon, with what is wrong; nothing of it has run."""
    change, reason = HOSTILE[kind]
    path = hostile.write(tmp_path / "model", change)
    begun = time.monotonic()
    with pytest.raises(InvalidModelFile) as caught:
        validate_onnx(path, "model.onnx")
    assert reason in caught.value.message
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"\x08\x07\x3a\xff\xff\xff\xff\x7f", b"{}"]
)
def test_what_is_no_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever its bytes."""
    path = KnownEncoder(["word"]).write(tmp_path)
    path.write_bytes(content)
    with pytest.raises(InvalidModelFile, match=r"model\.onnx"):
        validate_onnx(path, "model.onnx")


def test_a_pickle_by_another_name_is_refused(tmp_path: Path) -> None:
    """Before any library opens it."""
    path = KnownEncoder(["word"]).write(tmp_path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelRefused, match="pickle"):
        validate_onnx(path, "model.onnx")


@pytest.mark.parametrize("external", [False, True])
def test_an_encoders_facts(tmp_path: Path, *, external: bool) -> None:
    """Read from the graph and from the files beside it; weights may have a file of their own."""
    path = Bert().write(tmp_path, external=external)
    facts = validate_onnx(path, "model.onnx", "mit", "sentence-similarity")
    assert (facts.format, facts.kind, facts.architecture) == (Format.ONNX, Kind.EMBED, "bert")
    assert (facts.quantization, facts.context_length, facts.licence) == ("F32", 64, "mit")
    assert facts.parameters is not None
    assert facts.parameters > 30_000
    assert facts.details["embedding_length"] == 32
    assert facts.details["engine_options"] == {"pipeline_tag": "sentence-similarity"}


@pytest.mark.parametrize(
    ("shape", "tag", "kind"),
    [
        (Bert(CLASSIFIER, ("a", "b")), None, Kind.CLASSIFY),
        (Bert(CLASSIFIER, ("fits",)), "text-classification", Kind.RERANK),
        (Bert(MARKER, ("O", "B-X")), None, Kind.TOKEN_CLASSIFY),
    ],
)
def test_the_kind_is_the_files_own(
    tmp_path: Path, shape: Bert, tag: str | None, kind: Kind
) -> None:
    """The Hub calls cross-encoders classifiers: one label says they rank."""
    assert validate_onnx(shape.write(tmp_path), "model.onnx", None, tag).kind is kind


def test_a_broken_description_is_refused(tmp_path: Path) -> None:
    """It is a stranger's JSON, and read by the child as well."""
    path = KnownEncoder(["word"]).write(tmp_path)
    for text in ("[]", '{"num_labels": "many"}', '{"id2label": 3}', '{"intermediate_size": "x"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises((InvalidModelFile, ModelRefused)):
            validate_onnx(path, "model.onnx")
