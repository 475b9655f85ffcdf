"""An engine process gets what its libraries need of our environment, and no more."""

import pytest

from modelyard.serving.engines.child.environment import child_environment


def test_an_engine_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and tokens stay with us; what its libraries read is passed on."""
    monkeypatch.setenv("MODELYARD_DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = child_environment("gguf")
    assert "secret" not in str(seen)
    assert seen["OMP_NUM_THREADS"] == "1"


def test_only_gguf_models_are_held_in_huge_pages() -> None:
    """Of an ONNX model they would hold more memory than was foreseen."""
    asking = {
        form for form in ("gguf", "onnx", "mock") if "GLIBC_TUNABLES" in child_environment(form)
    }
    assert asking == {"gguf"}
