"""A worker knows what its llama.cpp cannot compute here, says so, and does not load it."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from modelyard.serving.worker.llama_trial import LlamaTrial, NotComputable
from tests.models.broken_llama import AT_LOAD, KERNELS, broken_llama
from tests.models.tiny import Tiny
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import open_harness


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed llama.cpp dies on Q4_K."""
    broken = broken_llama(tmp_path / "lib", KERNELS.format("q4_K"))
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken))


@pytest.mark.usefixtures("dying")
async def test_what_cannot_be_computed_is_refused_and_the_rest_is_loaded(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """The refusal names version, quantization, signal and the way out; no engine is started."""
    model = Tiny().write(tmp_path / "tiny.gguf")
    bad = catalog_files.add_gguf("a/bad", model, "Q4_K_S")
    good = catalog_files.add_gguf("a/good", model, "F32")
    trial = LlamaTrial(tmp_path, on_gpu=False)
    async with open_harness(catalog_files, computable=trial) as harness:
        with pytest.raises(NotComputable, match=r"a/bad@1 .*Q4_K_S: SIGILL") as refused:
            await harness.residency.ensure(bad.id)
        assert "make setup" in refused.value.fix
        assert harness.engines() == []
        assert (await harness.residency.ensure(good.id)).process


@pytest.mark.usefixtures("dying")
async def test_the_log_names_what_fails_and_what_is_used(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """One line, of an error."""
    with capture_logs() as logs:
        await LlamaTrial(tmp_path, on_gpu=False).begin()
    (line,) = logs
    assert line["log_level"] == "error"
    assert "SIGILL with Q4_K_M" in line["reason"]
    assert line["processor"].startswith("uses ")


async def test_a_library_that_works_is_told_in_one_line(tmp_path: Path) -> None:
    """With what it uses of the processor, and what not."""
    with capture_logs() as logs:
        trial = await LlamaTrial(tmp_path, on_gpu=False).begin()
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("llama_cpp_tried", "info")
    assert all(feature in line["processor"] for feature in trial.features)


@pytest.mark.usefixtures("dying")
async def test_on_a_gpu_the_processors_kernels_refuse_nothing(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """All layers are computed there; but a library that cannot be loaded is of no use anywhere."""
    version = catalog_files.add_gguf("a/bad", Tiny().write(tmp_path / "tiny.gguf"), "Q4_K_M")
    await LlamaTrial(tmp_path, on_gpu=True).check(version)


async def test_a_library_that_cannot_be_loaded_refuses_every_gguf(
    catalog_files: FilledCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other formats are none of its business."""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken_llama(tmp_path / "lib", AT_LOAD)))
    trial = LlamaTrial(tmp_path, on_gpu=True)
    await trial.check(catalog_files.add("a/other"))
    with pytest.raises(NotComputable, match="SIGILL"):
        await trial.check(
            catalog_files.add_gguf("a/gguf", Tiny().write(tmp_path / "t.gguf"), "F16")
        )


async def test_what_cannot_be_tried_is_not_refused(
    catalog_files: FilledCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that fails will say so itself."""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path / "none"))
    version = catalog_files.add_gguf("a/gguf", Tiny().write(tmp_path / "tiny.gguf"), "F16")
    with capture_logs() as logs:
        await LlamaTrial(tmp_path, on_gpu=False).check(version)
    assert [line["event"] for line in logs] == ["llama_cpp_not_tried"]
