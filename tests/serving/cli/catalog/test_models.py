"""`modelyard models`."""

from uuid import uuid4

import pytest

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.model import CANDIDATE, CHAMPION, ModelRef, StoredFile
from modelyard.registry.catalog.preparations import Preparations
from tests.serving.cli.shell import Shell, keep_alive
from tests.serving.installation import NOBODY, Installation


def _two_versions(installation: Installation) -> None:
    catalog = installation.filled.catalog
    first = installation.filled.add("owner/talker")
    stored = installation.filled.store.put([b"a second build"])
    file = type(first.main)("model.mock", stored.sha256, stored.size)
    catalog.register("owner/talker", first.repo, first.revision, first.facts, [file], {"kl": 0.01})


def test_an_empty_list_says_what_to_do(shell: Shell) -> None:
    """No models is no error."""
    ended = shell.run("models", "list")
    assert ended.code == 0
    assert "models add" in ended.said
    assert shell.run("models", "list", "--json").json() == []


def test_models_are_listed_and_shown(shell: Shell, installation: Installation) -> None:
    """For people as a table, for programs as the API writes them."""
    _two_versions(installation)
    assert "owner/talker@2" in shell.run("models", "list").said
    (model,) = shell.run("models", "list", "--json").json()
    assert [v["number"] for v in model["versions"]] == [2, 1]
    shown = shell.run("models", "show", "owner/talker@candidate", "--json").json()
    assert shown["model"] == "owner/talker"
    assert shown["metrics"] == {"kl": 0.01}
    assert "kl 0.01" in shell.run("models", "show", "owner/talker@2").said


@pytest.mark.parametrize("command", ["show", "promote", "remove"])
def test_an_unknown_model_ends_with_four(shell: Shell, command: str) -> None:
    """And a name that is none with two."""
    assert shell.run("models", command, "owner/nobody").code == 4
    assert shell.run("models", command, "no good!").code == 2


def test_promoting_a_name_makes_its_candidate_champion(
    shell: Shell, installation: Installation
) -> None:
    """A version may be named, and another alias chosen."""
    _two_versions(installation)
    assert "owner/talker@2" in shell.run("models", "promote", "owner/talker").said
    assert installation.filled.catalog.find(ModelRef("owner/talker", CHAMPION)).number == 2
    assert shell.run("models", "promote", "owner/talker@1", "--alias", "stable").code == 0
    assert installation.filled.catalog.find(ModelRef("owner/talker", "stable")).number == 1
    assert shell.run("models", "promote", "owner/talker").code == 4  # no candidate is left
    assert shell.run("models", "promote", "owner/talker@1", "--alias", "NO!").code == 2


def test_without_a_worker_the_alias_moves_at_once_and_says_so(
    shell: Shell, installation: Installation
) -> None:
    """And where it is not to be waited for, whoever runs."""
    _two_versions(installation)
    said = shell.run("models", "promote", "owner/talker").said
    assert "owner/talker@2 is champion now." in said
    assert "No worker is running that could load it." in said
    installation.worker(url=NOBODY)
    keep_alive(installation)
    assert "not waited for" in shell.run("models", "promote", "owner/talker@1", "--no-wait").said
    assert installation.filled.catalog.find(ModelRef("owner/talker", CHAMPION)).number == 1


def test_what_is_made_ready_for_an_alias_is_shown(shell: Shell, installation: Installation) -> None:
    """With when that began, as long as it goes on."""
    _two_versions(installation)
    version = installation.filled.catalog.find(ModelRef("owner/talker", CANDIDATE))
    preparations = Preparations(installation.database)
    ticket = preparations.begin(version, CHAMPION, 60)
    assert "champion since 20" in shell.run("models", "show", "owner/talker@2").said
    preparations.give_up(ticket)
    preparations.begin(version, CHAMPION, -600)
    assert shell.run("models", "show", "owner/talker@2", "--json").json()["preparing"] == []


def test_a_version_is_forgotten_everywhere(shell: Shell, installation: Installation) -> None:
    """Its pins too, so that its file may leave the store."""
    _two_versions(installation)
    version = installation.filled.catalog.find(ModelRef("owner/talker", CANDIDATE))
    installation.filled.store.pin(version.main.sha256, f"version:{version.id}")
    assert shell.run("models", "remove", "owner/talker@2", typed="n\n").code == 1
    assert shell.run("models", "remove", "owner/talker@2", typed="y\n").code == 0
    assert [v.number for v in installation.filled.catalog.list()] == [1]
    assert not installation.filled.store.has(version.main.sha256)  # its room is free again
    assert shell.run("models", "remove", "owner/talker", "--yes").code == 0
    assert installation.filled.catalog.list() == []


def test_a_loaded_version_is_not_forgotten_by_accident(
    shell: Shell, installation: Installation
) -> None:
    """5, unless it is forced."""
    version = installation.filled.add("owner/talker")
    installation.worker()
    installation.ready(version, NOBODY)
    keep_alive(installation)
    ended = shell.run("models", "remove", "owner/talker", "--yes")
    assert ended.code == 5
    assert "cpu-0" in ended.said
    assert shell.run("models", "remove", "owner/talker", "--yes", "--force").code == 0


def test_a_search_finds_cards_by_their_words(shell: Shell, installation: Installation) -> None:
    """The best first; nothing found is no error, and a card without its version is not found."""
    from modelyard.registry.cards.index import Card, open_index

    index = open_index(installation.settings)
    bard, coder = (installation.filled.add(name) for name in ("owner/bard", "owner/coder"))
    index.upsert(Card(str(uuid4()), "owner/gone", 1, "Verse, verse, verse by Shakespeare."))
    index.upsert(Card(bard.id, "owner/bard", 1, "Writes verse like Shakespeare."))
    index.upsert(Card(coder.id, "owner/coder", 1, "Writes Python functions."))
    hits = shell.run("models", "search", "shakespeare verse", "--json").json()
    assert [(hit["model"], hit["number"]) for hit in hits] == [("owner/bard", 1)]
    assert "owner/coder@1" in shell.run("models", "search", "python").said
    assert shell.run("models", "search", "astronomy").code == 0
    assert shell.run("models", "search", " ").code == 2


def test_an_adapter_is_forgotten_alone_or_with_its_model(
    shell: Shell, installation: Installation
) -> None:
    """`models show` names it, `models remove base+adapter` lets its file go."""
    installation.filled.add("owner/talker")
    adapters = AdapterCatalog(installation.database)
    store = installation.filled.store
    kept = {name: store.put([name.encode()]) for name in ("pirate", "parrot")}
    for name, stored in kept.items():
        added = adapters.add("owner/talker", name, StoredFile(name, stored.sha256, stored.size))
        store.pin(stored.sha256, f"adapter:{added.id}")
    shown = shell.run("models", "show", "owner/talker", "--json").json()
    assert shown["adapters"] == ["parrot", "pirate"]
    assert shell.run("models", "remove", "owner/talker+sailor", "--yes").code == 4
    assert "owner/talker+pirate" in shell.run("models", "remove", "owner/talker+pirate", "-y").said
    assert not store.has(kept["pirate"].sha256)
    assert [
        a.name for a in installation.filled.catalog.find(ModelRef("owner/talker")).adapters
    ] == ["parrot"]
    gone = shell.run("models", "remove", "owner/talker", "--yes").said
    assert "owner/talker@1, owner/talker+parrot" in gone
    assert not store.has(kept["parrot"].sha256)
