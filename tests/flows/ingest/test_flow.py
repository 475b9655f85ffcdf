"""The whole flow on a real Prefect server: it does its work once, whatever happens on the way."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.runs.runs import RunView
from modelyard.registry.runs.state import RunState
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.harness import CARD, FILE, REPO, FlowHarness
from tests.flows.hostile import ARCHITECTURE, gguf, tensor

pytestmark = [pytest.mark.slow(seconds=120), pytest.mark.timeout(1200)]


def check_whole(harness: FlowHarness, version: ModelVersion) -> None:
    """A finished version: its files in the store and pinned, MLflow and the index know it."""
    store = harness.store
    assert version.mlflow_version is not None
    for file in version.files:
        assert store.size(file.sha256) == file.size
        assert not store.remove(file.sha256), "what a version needs is pinned"
    hits = open_index(harness.settings).search("lighthouses")
    assert version.id in {hit.version_id for hit in hits}
    store.sweep()
    assert harness.parts == []
    assert list((store.root / "scratch").iterdir()) == []


def test_from_a_repository_to_versions(harness: FlowHarness, sent: Callable[[], int]) -> None:
    """Each asked type becomes a version; the same again is here at once, for no bytes."""
    ask = ("--quantize", "Q8_0", "--quantize", "q4_k_m")
    first = harness.add(*ask)
    assert [v["facts"]["quantization"] for v in first.document["versions"]] == ["Q8_0", "Q4_K_M"]
    assert first.document["new"]
    champion, candidate = sorted(harness.versions(), key=lambda v: v.number)
    assert (champion.aliases, candidate.aliases) == (("champion",), ("candidate",))
    assert champion.facts.licence == "mit"
    assert {f.path for f in champion.files[1:]} == {"README.md", "config.json"}
    assert {"perplexity_ratio", "kl_mean", "tokens_per_second"} <= set(champion.metrics)
    for version in (champion, candidate):
        check_whole(harness, version)
    assert harness.runs()[0].state is RunState.COMPLETED
    before = sent()
    again = harness.add(*ask)
    assert not again.document["new"]
    assert again.seconds < 60
    assert sent() == before
    assert len(harness.versions()) == 2


def _half_way(run: RunView) -> bool:
    return run.step == "download" and run.done > run.total / 2


def test_killed_in_the_middle_of_a_download_it_goes_on_from_there(
    harness: FlowHarness, hub_process: HubProcess, tiny: Path, sent: Callable[[], int]
) -> None:
    """What had arrived is not fetched again. Every step by every fault: tests/flows/lifecycle."""
    hub_process.fault(bytes_per_second=100_000, path=FILE)
    harness.kill_when(_half_way)
    hub_process.fault()
    (version,) = harness.add().document["versions"]
    assert version["aliases"] == ["champion"]
    check_whole(harness, harness.versions()[0])
    whole = tiny.stat().st_size + len(CARD) + 2
    assert sent() <= whole * 1.25


def test_ctrl_c_keeps_what_is_here_and_says_so(
    harness: FlowHarness, hub_process: HubProcess
) -> None:
    """Interrupted is not cancelled: the part stays for the next run."""
    hub_process.fault(bytes_per_second=50_000, path=FILE)
    with harness.start("models", "add", REPO) as process:
        harness.await_run(lambda run: run.step == "download" and run.done > 20_000, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "continues" in err
    assert len(harness.parts) == 1
    assert harness.runs()[0].state is RunState.INTERRUPTED
    assert harness.versions() == []


def test_two_at_once_do_the_work_once(
    harness: FlowHarness, hub_process: HubProcess, sent: Callable[[], int], tiny: Path
) -> None:
    """The second waits for the first, then finds all done."""
    hub_process.fault(bytes_per_second=1_000_000, path=FILE)
    both = [harness.start("models", "add", REPO, "--json") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
    assert len(harness.versions()) == 1
    assert sent() == tiny.stat().st_size + len(CARD) + 2


def test_a_worse_build_is_not_registered(harness: FlowHarness) -> None:
    """The gate ends the run with its numbers, and the catalog stays as it was."""
    outcome = harness.add("--quantize", "Q4_0", MODELYARD_GATE_MAX_KL="0.0000001")
    assert outcome.status == 12
    assert "KL divergence" in outcome.err
    assert harness.versions() == []
    assert harness.runs()[0].state is RunState.FAILED


def test_a_hostile_file_ends_the_run_and_leaves_nothing(
    harness: FlowHarness, publish: Callable[..., None]
) -> None:
    """Refused by its structure; no version, no part, no scratch."""
    bad = gguf([ARCHITECTURE], [tensor("w", (8,), 0, 2**50)], data=32)
    publish("eve/bad", {"m.gguf": bad})
    with harness.start("models", "add", "eve/bad") as process:
        _, err = process.communicate(timeout=400)
    assert process.returncode == 11
    assert "cut off" in err
    assert "Traceback" not in err
    assert harness.versions() == []
    assert harness.parts == []


def test_a_full_store_ends_the_run_with_the_numbers(harness: FlowHarness) -> None:
    """Before a byte of the model is fetched."""
    outcome = harness.add(MODELYARD_STORE_MAX_GB="0.0001")
    assert outcome.status == 7
    assert "MODELYARD_STORE_MAX_GB" in outcome.err
    assert harness.versions() == []
