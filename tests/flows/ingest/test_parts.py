"""A GGUF in parts becomes one file: the same model as if it had never been cut."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from modelyard.flows.errors import InvalidModelFile, ModelRefused
from modelyard.flows.ingest import tasks
from modelyard.flows.ingest.run import IngestRun
from modelyard.flows.steps.choose.candidate import SelectionRequest
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.hub.resolve import resolve
from modelyard.flows.steps.validate.validate import validate
from tests.flows.ingest.conftest import REPO
from tests.models.gguf_parts import pieces, shards

Publish = Callable[..., None]


def check_brought(job: IngestRun, path: str, original: Path) -> None:
    """All steps up to the build; asked for again, the whole is known to be here."""
    snapshot = resolve(job.context.settings.hub, REPO, "main")
    choice = choose(snapshot, SelectionRequest())
    (built,) = tasks.build(job, tasks.fetch(job, snapshot, choice), snapshot)
    assert built.file.path == path
    assert built.facts == validate(original, original.name)
    registered = tasks.Registrar(job.context.catalog, job.context.store, job.context.mlflow)
    registered.catalog.register(REPO, REPO, snapshot.commit, built.facts, built.files, {})
    assert job.context.known.versions(REPO, snapshot, choice, ())


def named(files: list[Path], folder: str) -> dict[str, bytes]:
    return {f"{folder}{file.name}": file.read_bytes() for file in files}


@pytest.mark.parametrize("empty_first", [False, True])
@pytest.mark.parametrize("folder", ["", "F16/"])
def test_shards_of_llama_cpps_tool_become_the_model(
    job: IngestRun, publish: Publish, tiny: Path, tmp_path: Path, *, folder: str, empty_first: bool
) -> None:
    """Only the first says what it is, and it may have no tensors of its own."""
    publish(REPO, named(shards(tiny, tmp_path / "cut", empty_first=empty_first), folder))
    check_brought(job, f"{folder}tiny-f16.gguf", tiny)


@pytest.mark.parametrize(
    ("form", "count"),
    [("m.gguf.part{}of{}", 2), ("m.gguf.part{}of{}", 11), ("m.gguf-split-{letter}", 3)],
)
def test_pieces_of_bytes_become_the_model(
    job: IngestRun, publish: Publish, tiny: Path, form: str, count: int
) -> None:
    """In the order of their numbers, of which the tenth comes after the ninth."""
    publish(REPO, pieces(tiny, form, count))
    check_brought(job, "m.gguf", tiny)


def refused(job: IngestRun, publish: Publish, files: Mapping[str, bytes]) -> str:
    publish(REPO, files)
    snapshot = resolve(job.context.settings.hub, REPO, "main")
    with pytest.raises((InvalidModelFile, ModelRefused)) as caught:
        tasks.build(job, tasks.fetch(job, snapshot, choose(snapshot, SelectionRequest())), snapshot)
    return str(caught.value)


def test_shards_that_do_not_belong_together_are_refused(
    job: IngestRun, publish: Publish, tiny: Path, tmp_path: Path
) -> None:
    """What a name promises and what a part says inside are compared before anything is merged."""
    files = named(shards(tiny, tmp_path / "cut"), "")
    first, second = sorted(files)[:2]
    said = refused(job, publish, files | {second: files[first]})
    assert f"{second} is called part 2" in said


def test_pieces_of_something_else_are_refused(job: IngestRun, publish: Publish) -> None:
    """They are looked at once they are together."""
    said = refused(job, publish, {"m.gguf.part1of2": b"GG", "m.gguf.part2of2": b"ML" * 50})
    assert "m.gguf" in said


@pytest.mark.parametrize("missing", ["m.gguf.part1of3", "m.gguf.part2of3", "m.gguf.part3of3"])
def test_a_piece_that_is_missing_is_no_model(
    job: IngestRun, publish: Publish, tiny: Path, missing: str
) -> None:
    """Nothing of the rest is downloaded."""
    files = pieces(tiny, "m.gguf.part{}of{}", 3)
    del files[missing]
    assert "no whole GGUF" in refused(job, publish, files)
