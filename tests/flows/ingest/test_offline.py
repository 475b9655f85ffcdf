"""With HF_HUB_OFFLINE the Hub is not asked: what is registered is known, the rest is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.flows.ingest.offline import registered_offline
from modelyard.flows.ingest.request import IngestRequest
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile

COMMIT = "c" * 40
ADD = [sys.executable, "-m", "modelyard.serving.cli.main", "models", "add", "--json"]


@pytest.fixture(autouse=True)
def _registered(catalog: Catalog) -> None:
    for number, quantization in enumerate(("F16", "Q8_0")):
        file = StoredFile(f"m-{quantization}.gguf", str(number) * 64, 5)
        facts = ModelFacts(Format.GGUF, "llama", quantization)
        catalog.register("ada/m", "ada/m", COMMIT, facts, [file], {})


@pytest.mark.parametrize(
    ("request_", "numbers"),
    [
        (IngestRequest(repo="ada/m"), [2]),
        (IngestRequest(repo="ada/m", revision=COMMIT[:12]), [2]),
        (IngestRequest(repo="ada/m", revision="v2"), None),
        (IngestRequest(repo="ada/m", file="*f16*"), [1]),
        (IngestRequest(repo="ada/m", quantize=("Q8_0",)), [2]),
        (IngestRequest(repo="ada/m", quantize=("Q8_0", "Q4_K_M")), None),
        (IngestRequest(repo="ada/other"), None),
    ],
)
def test_what_is_registered_is_found_by_what_was_asked(
    catalog: Catalog, request_: IngestRequest, numbers: list[int] | None
) -> None:
    """All of it, or the Hub is needed."""
    found = registered_offline(catalog, request_)
    assert (found and [version.number for version in found]) == numbers


@pytest.mark.parametrize(("repo", "code"), [("ada/m", 0), ("ada/other", 10)])
def test_the_command_says_that_the_hub_was_not_asked(
    sqlite_url: str, tmp_path: Path, repo: str, code: int
) -> None:
    """And ends with 10 and the way out where it would have to be."""
    env = {
        "MODELYARD_DATA_DIR": str(tmp_path),
        "MODELYARD_DATABASE_URL": sqlite_url,
        "HF_HUB_OFFLINE": "1",
    }
    ended = subprocess.run(
        [*ADD, repo], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "HF_HUB_OFFLINE is set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_token_of_hf_auth_login_is_used_for_the_hub_alone(tmp_path: Path) -> None:
    """HF_TOKEN comes first, and a mirror gets only what is set for it."""
    (tmp_path / "token").write_text("hf_stored")
    program = """
from modelyard.flows.settings import FlowSettings
for given in ({}, {"hub_token": "hf_set"}, {"hub_endpoint": "https://mirror.example"}):
    print(FlowSettings(**given).hub.token or "none")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"HF_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert ended.stdout.split() == ["hf_stored", "hf_set", "none"]
