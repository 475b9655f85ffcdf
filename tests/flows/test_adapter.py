"""`modelyard models add-adapter`: from a file or the Hub, checked against its base."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelyard.flows.cli import register
from modelyard.flows.errors import InvalidModelFile, ModelRefused, NoMatchingFile
from modelyard.flows.steps.validate.validate import validate
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef, ModelVersion, StoredFile
from modelyard.registry.console import Commands
from modelyard.registry.store import Store
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.models.tiny import Tiny
from tests.models.tiny_lora import TinyLora

BASE = Tiny(vocabulary=512)
Run = Callable[..., str]


@pytest.fixture
def base(store: Store, catalog: Catalog, tmp_path: Path) -> ModelVersion:
    """A registry with one model, o/m."""
    file = BASE.write(tmp_path / "base.gguf")
    kept = store.put(file)
    facts = validate(file, "base.gguf")
    main = StoredFile("base.gguf", kept.sha256, kept.size)
    return catalog.register("o/m", "o/m", "c" * 40, facts, [main], {})


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    sqlite_url: str,
    store: Store,
    base: ModelVersion,
    hub_process: HubProcess,
) -> Run:
    """`models add-adapter` over that registry."""
    monkeypatch.setenv("MODELYARD_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("MODELYARD_STORE_DIR", str(store.root))
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(store.root.parent))
    monkeypatch.setenv("HF_ENDPOINT", hub_process.url)
    commands = Commands()
    register(commands)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(commands.root, ["models", "add-adapter", *arguments])
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


def _file(catalog: Catalog, name: str) -> StoredFile:
    adapter = catalog.find(ModelRef.parse(name)).adapter(name.rpartition("+")[2])
    assert adapter is not None
    return adapter.file


def test_a_file_becomes_an_adapter(
    run: Run, catalog: Catalog, store: Store, tmp_path: Path
) -> None:
    """In the store, pinned, and in the catalog; the same again is no error."""
    lora = TinyLora(BASE).write(tmp_path / "pirate.gguf")
    for _ in range(2):
        assert "o/m+pirate" in run("o/m", "pirate", str(lora))
    file = _file(catalog, "o/m+pirate")
    assert (file.path, file.size) == (str(lora), lora.stat().st_size)
    assert not store.remove(file.sha256), "what an adapter needs is pinned"


def test_the_hub_has_adapters_too(
    run: Run,
    catalog: Catalog,
    publish: Callable[..., None],
    tmp_path: Path,
) -> None:
    """OWNER/REPO/FILE or the file's page; its commit is kept with it."""
    lora = TinyLora(BASE).write(tmp_path / "x.gguf").read_bytes()
    publish("ada/pirate-LoRA", {"f32/pirate.gguf": lora})
    run("o/m", "pirate", "ada/pirate-LoRA/f32/pirate.gguf")
    run("o/m", "pirate", "https://huggingface.co/ada/pirate-LoRA/blob/main/f32/pirate.gguf")
    assert _file(catalog, "o/m+pirate").path.endswith("/f32/pirate.gguf")
    with pytest.raises(NoMatchingFile):
        run("o/m", "parrot", "ada/pirate-LoRA/f16/pirate.gguf")
    with pytest.raises(NoMatchingFile):
        run("o/m", "parrot", "nowhere.gguf")


REFUSED = {
    "another architecture": (TinyLora(BASE, architecture="qwen2"), "architecture 'qwen2'"),
    "another shape": (TinyLora(Tiny(vocabulary=512, width=32)), "has the shape"),
    "a layer too many": (TinyLora(Tiny(vocabulary=512, layers=3)), "is not there"),
    "no adapter": (TinyLora(BASE, kind="model"), "not a LoRA adapter"),
    "the base itself": (BASE, "not a LoRA adapter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(
    run: Run, catalog: Catalog, tmp_path: Path, case: str
) -> None:
    """Before it is entered, with the reason."""
    source, reason = REFUSED[case]
    with pytest.raises(ModelRefused, match=reason):
        run("o/m", "pirate", str(source.write(tmp_path / "pirate.gguf")))
    assert catalog.find(ModelRef("o/m")).adapters == ()


def test_a_broken_file_is_refused(run: Run, tmp_path: Path) -> None:
    """By the limited child that reads it first."""
    lora = TinyLora(BASE).write(tmp_path / "pirate.gguf")
    lora.write_bytes(lora.read_bytes()[:-1])
    with pytest.raises(InvalidModelFile, match="cut off"):
        run("o/m", "pirate", str(lora))


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    """`models add` says how it is added."""
    with pytest.raises(ModelRefused, match="add-adapter"):
        validate(TinyLora(BASE).write(tmp_path / "pirate.gguf"), "pirate.gguf")
