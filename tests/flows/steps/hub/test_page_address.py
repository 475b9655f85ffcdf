"""What people copy from the browser means what they looked at."""

import pytest

from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.steps.hub.page_address import HubPage, read_page
from modelyard.registry.errors import InvalidName

HUB = "https://huggingface.co"
FOLDER = HubPage("ada/m", "main", "onnx", is_folder=True)


@pytest.mark.parametrize(
    ("address", "page"),
    [
        (f"{HUB}/ada/m", HubPage("ada/m")),
        (f" {HUB}/ada/m/ ", HubPage("ada/m")),
        (f"{HUB}/ada/m?library=gguf#files", HubPage("ada/m")),
        ("hf.co/ada/m", HubPage("ada/m")),
        (f"{HUB}/ada/m/discussions/4", HubPage("ada/m")),
        (f"{HUB}/ada/m/tree/v1.0", HubPage("ada/m", "v1.0", is_folder=True)),
        (f"{HUB}/ada/m/tree/refs%2Fpr%2F7", HubPage("ada/m", "refs/pr/7", is_folder=True)),
        (f"{HUB}/ada/m/tree/main/onnx", FOLDER),
        (f"{HUB}/ada/m/blob/main/onnx/model.onnx", HubPage("ada/m", "main", "onnx/model.onnx")),
        (
            f"{HUB}/ada/m/resolve/main/a%20b.gguf?download=true",
            HubPage("ada/m", "main", "a b.gguf"),
        ),
        ("http://mirror.example:8000/ada/m/blob/main/m.gguf", HubPage("ada/m", "main", "m.gguf")),
        ("ada/m", None),
    ],
)
def test_a_page_names_repository_revision_and_file(address: str, page: HubPage | None) -> None:
    """Of the Hub, of its short address, of a mirror; a plain name is no page."""
    assert read_page(address) == page


@pytest.mark.parametrize(
    "address", [HUB, f"{HUB}/ada", f"{HUB}/datasets/ada/d", "hf.co/spaces/a/b"]
)
def test_a_page_of_something_else_is_refused(address: str) -> None:
    """A data set's name would else be taken for a model's."""
    with pytest.raises(InvalidName, match="page of a model"):
        read_page(address)


def test_a_request_takes_from_a_page_what_it_does_not_say_itself() -> None:
    """On the command line as in Prefect's form."""
    page = f"{HUB}/ada/m/blob/v1.0/m[1].gguf"
    request = IngestRequest(repo=page)
    assert (request.model, request.revision, request.file) == ("ada/m", "v1.0", "m[[]1].gguf")
    said = IngestRequest(repo=page, revision="v2", file="*q8*")
    assert (said.revision, said.file) == ("v2", "*q8*")
