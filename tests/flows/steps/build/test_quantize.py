"""llama.cpp makes the asked type once, in a process that may die alone."""

import errno
from pathlib import Path
from typing import Any

import pytest

from modelyard.flows.errors import ModelRefused, QuantizationFailed, UnknownQuantization
from modelyard.flows.steps.build.quantize import (
    Quantizer,
    check_source,
    file_name,
    makeable,
    place_beside,
)
from modelyard.flows.steps.validate.validate import validate
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import StoredFile
from modelyard.registry.store import Store
from tests.models.broken_llama import BASE, broken_llama

Told = list[tuple[int, int]]


def silent(_done: int, _total: int) -> None:
    pass


def stored(store: Store, file: Path) -> StoredFile:
    kept = store.put(file)
    return StoredFile(file.name, kept.sha256, kept.size)


@pytest.fixture
def maker(store: Store, results: BuildRecords) -> Quantizer:
    return Quantizer(store, results, threads=1)


@pytest.mark.parametrize("to", ["Q4_K_M", "Q8_0", "Q6_K", "Q5_K_M", "Q4_0"])
def test_the_asked_type_is_made(maker: Quantizer, store: Store, tiny: Path, to: str) -> None:
    """The result is a sound model of the asked type, smaller than its source."""
    source = stored(store, tiny)
    made = maker.quantize(source, "F16", to, silent)
    assert made.path == f"tiny-{to}.gguf"
    assert made.size < source.size
    assert validate(store.path(made.sha256), made.path).quantization == to


def test_the_same_is_made_once(maker: Quantizer, store: Store, tiny: Path) -> None:
    """The second time nothing runs: progress is told the first time only."""
    source = stored(store, tiny)
    told = Told()
    first = maker.quantize(source, "F16", "Q8_0", lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    told.clear()
    second = maker.quantize(source, "F16", "Q8_0", lambda done, total: told.append((done, total)))
    assert (second, told) == (first, [])


def test_a_type_that_is_there_already_is_the_source(
    maker: Quantizer, store: Store, tiny: Path
) -> None:
    """F16 from F16 is no work."""
    source = stored(store, tiny)
    assert maker.quantize(source, "F16", "F16", silent) == source


def test_nothing_is_left_of_a_failure(maker: Quantizer, store: Store, tmp_path: Path) -> None:
    """A file llama.cpp cannot read fails with a reason, and no scratch stays."""
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(QuantizationFailed) as caught:
        maker.quantize(stored(store, bad), "F16", "Q8_0", silent)
    assert caught.value.exit_code == 13
    assert list((store.root / "scratch").iterdir()) == []


def test_a_quantizer_that_dies_says_by_what(
    maker: Quantizer, store: Store, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A llama.cpp that runs an illegal instruction: the signal's name and the way out."""
    broken = broken_llama(tmp_path / "lib", "quantize_q8_0", library=BASE)
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken))
    with pytest.raises(QuantizationFailed, match=r"llama.cpp was ended by SIGILL") as caught:
        maker.quantize(stored(store, tiny), "F16", "Q8_0", silent)
    assert "make setup" in caught.value.fix
    assert list((store.root / "scratch").iterdir()) == []


def test_a_quantized_source_is_refused() -> None:
    """Unless it was asked for in so many words."""
    with pytest.raises(ModelRefused, match="Q8_0"):
        check_source("m.gguf", "Q8_0", allow_requantize=False)
    check_source("m.gguf", "Q8_0", allow_requantize=True)
    check_source("m.gguf", "BF16", allow_requantize=False)


def test_a_type_nobody_makes_is_refused_with_the_list() -> None:
    """Spelling is forgiven, invention is not."""
    assert makeable("q4_k_m") == "Q4_K_M"
    with pytest.raises(UnknownQuantization, match="'Q3_X'") as caught:
        makeable("Q3_X")
    assert "Q4_K_M" in caught.value.fix


@pytest.mark.parametrize(
    ("path", "expected"),
    [("m-f16.gguf", "m-Q8_0.gguf"), ("d/m.BF16.gguf", "m-Q8_0.gguf"), ("m.gguf", "m-Q8_0.gguf")],
)
def test_the_new_type_takes_the_old_one_s_place_in_the_name(path: str, expected: str) -> None:
    """A name never says two types."""
    assert file_name(path, "Q8_0") == expected


@pytest.mark.parametrize("refused", [(), ("symlink",), ("symlink", "hardlink")])
def test_a_volume_without_links_gets_a_copy(tmp_path: Path, refused: tuple[str, ...]) -> None:
    """FAT, some network volumes and some containers know neither kind."""

    class Volume(type(tmp_path)):
        """A path on a volume that refuses links."""

        def symlink_to(self, target: Any, target_is_directory: bool = False) -> None:  # noqa: FBT001, FBT002 - pathlib's signature
            if "symlink" in refused:
                raise PermissionError(errno.EPERM, "no links here")
            super().symlink_to(target, target_is_directory)

        def hardlink_to(self, target: Any) -> None:
            if "hardlink" in refused:
                raise PermissionError(errno.EPERM, "no links here")
            super().hardlink_to(target)

    source = tmp_path / "source"
    source.write_bytes(b"weights")
    place_beside(Volume(tmp_path / "name.gguf"), source)
    assert (tmp_path / "name.gguf").read_bytes() == b"weights"
