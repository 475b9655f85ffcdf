"""Models and runs over the API."""

import pytest

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.serving.installation import NOBODY, Installation

pytestmark = pytest.mark.anyio


async def test_models_come_with_versions_and_where_they_are_loaded(
    installation: Installation,
) -> None:
    """One entry a model, the newest version first, each with its engines."""
    first = installation.filled.add("owner/talker")
    installation.worker()
    installation.ready(first, NOBODY)
    async with installation.client(installation.ada) as client:
        (model,) = (await client.get("/api/v1/models")).json()["models"]
    assert model["name"] == "owner/talker"
    assert model["visibility"] == "public"
    (version,) = model["versions"]
    assert version["number"] == 1
    assert version["aliases"] == ["champion"]
    assert version["format"] == "mock"
    assert version["context_length"] == 256
    assert version["size"] == len("owner/talker")
    assert version["licence"] is None
    (engine,) = version["engines"]
    assert (engine["device_id"], engine["state"]) == ("cpu-0", "ready")


async def test_private_models_are_listed_for_their_owner_and_admins(lite: Installation) -> None:
    """Nobody else learns that they exist, under either API."""
    lite.private("owner/secret", lite.admin)
    lite.private("ada/own", lite.ada)
    for key, expected in ((lite.ada, {"ada/own"}), (lite.admin, {"ada/own", "owner/secret"})):
        async with lite.client(key) as client:
            own = (await client.get("/api/v1/models")).json()["models"]
            openai = (await client.get("/v1/models")).json()["data"]
        assert {model["name"] for model in own} == expected
        assert {card["id"] for card in openai} == expected


async def test_runs_come_with_their_progress(installation: Installation) -> None:
    """The newest first, no more than asked for."""
    board = RunBoard(installation.database)
    board.start("ingest", "owner/one", visibility=Visibility.PUBLIC).finish(RunState.COMPLETED)
    run = board.start("ingest", "owner/two", visibility=Visibility.PUBLIC)
    run.step("download", 100, "bytes")
    run.advance(40)
    async with installation.client(installation.ada) as client:
        (newest,) = (await client.get("/api/v1/runs?limit=1")).json()["runs"]
        both = (await client.get("/api/v1/runs")).json()["runs"]
        wrong = await client.get("/api/v1/runs?limit=0")
    run.finish(RunState.COMPLETED)
    assert newest["subject"] == "owner/two"
    assert (newest["step"], newest["total"], newest["unit"]) == ("download", 100, "bytes")
    assert newest["state"] == "running"
    assert len(both) == 2
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "limit"


async def test_openai_s_model_card_names_version_and_aliases(installation: Installation) -> None:
    """A name, an alias and a number can be asked for; an unknown one is OpenAI's 404."""
    installation.filled.add("owner/talker")
    async with installation.client(installation.ada) as client:
        (card,) = (await client.get("/v1/models")).json()["data"]
        one = (await client.get("/v1/models/owner/talker@champion")).json()
        unknown = await client.get("/v1/models/owner/nobody")
    assert card["id"] == "owner/talker"
    assert card["object"] == "model"
    assert card["owned_by"] == "owner"
    assert (card["version"], card["aliases"]) == (1, ["champion"])
    assert one["id"] == "owner/talker@champion"
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "model_not_found"
