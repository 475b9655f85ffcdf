"""Cards are found by their words, by their meaning where there is an embedder, and by filters."""

import subprocess
import sys
import uuid
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from modelyard.registry.cards.card import Hit
from modelyard.registry.cards.index import Between, Card, CardIndex, Embedder, open_index
from modelyard.registry.cards.server import ServerPoints
from modelyard.registry.cards.shard import ROOM, ShardPoints
from modelyard.registry.errors import IndexUnavailable, StorageFull
from modelyard.registry.settings import RegistrySettings, load
from tests.servers.qdrant_wire import KEY, QdrantWire, running_qdrant_wire


def _card(number: int, model: str, text: str, **payload: object) -> Card:
    return Card(str(uuid.UUID(int=number)), model, number, text, payload)


DEMO = _card(
    1,
    "modelyard/tiny-shakespeare",
    "A small Llama trained on Shakespeare's plays. It writes text in the manner of the dramas.",
    repo="modelyard/tiny-shakespeare",
    licence="mit",
    tags=["gguf", "text-generation"],
    architecture="llama",
    parameters=3_000_000,
    quantization=None,
)
POET = _card(
    2,
    "someone/poet",
    "Writes sonnets, plays and other verse text.",
    licence="apache-2.0",
    tags=["text-generation"],
    parameters=7_000_000_000,
)
CODER = _card(3, "someone/coder", "Completes Python and Rust code.", licence="mit", tags=["code"])


class Topics:
    """A hand-made embedder: verse this way, programs that way."""

    name = "topics"
    size = 2

    def embed(self, text: str) -> Sequence[float]:
        verse = any(word in text.lower() for word in ("play", "sonnet", "rhyme", "drama"))
        return (1.0, 0.1) if verse else (0.1, 1.0)


@pytest.fixture
def wire() -> Generator[QdrantWire]:
    with running_qdrant_wire() as server:
        yield server


@pytest.fixture(params=["embedded", "server"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> RegistrySettings:
    """Settings that choose either index."""
    if request.param == "embedded":
        return load(RegistrySettings, data_dir=tmp_path / "data")
    server = request.getfixturevalue("wire")
    assert isinstance(server, QdrantWire)
    return load(
        RegistrySettings, data_dir=tmp_path, qdrant_url=server.url, qdrant_api_key=SecretStr(KEY)
    )


def _filled(settings: RegistrySettings, embedder: Embedder | None = None) -> CardIndex:
    index = open_index(settings, embedder)
    for card in (DEMO, POET, CODER):
        index.upsert(card)
    return index


def test_a_card_is_found_by_its_words(settings: RegistrySettings) -> None:
    """Whatever the ending of the word, and by the words of its name."""
    index = _filled(settings)
    best = index.search("shakespeare plays text")[0]
    assert (best.version_id, best.model, best.number) == (DEMO.version_id, DEMO.model, 1)
    assert best.payload["licence"] == "mit"
    assert "quantization" not in best.payload
    assert [hit.model for hit in index.search("tiny")] == [DEMO.model]
    assert [hit.model for hit in index.search("completing")] == [CODER.model]


def test_a_hit_of_before_is_made_plain_and_short() -> None:
    """An index may have cards from before texts were bounded, or another program's."""
    osc = "\x1b]52;c;ZXZpbA==\x07"
    stored = {"version_id": "1", "model": "o/m", "number": 1, "parameters": 7}
    texts = {"licence": f"mit{osc}" + "x" * 5000, "tags": [f"gguf{osc}"] * 1000}
    hit = Hit.of(stored | texts, 1.0)
    assert hit.payload["licence"] == "mit" + "x" * 197
    assert hit.payload["tags"] == ["gguf"] * 200
    assert hit.payload["parameters"] == 7


def test_every_card_is_listed(settings: RegistrySettings) -> None:
    """By its version, so that those of versions that are gone are found."""
    assert open_index(settings).ids() == set()
    _filled(settings)
    assert open_index(settings).ids() == {c.version_id for c in (DEMO, POET, CODER)}


def test_a_server_lists_more_cards_than_fit_on_a_page(wire: QdrantWire, tmp_path: Path) -> None:
    """Page after page, each point once."""
    _filled(load(RegistrySettings, data_dir=tmp_path, qdrant_url=wire.url, qdrant_api_key=KEY))
    paged = ServerPoints(wire.url, KEY, page=2)
    assert paged.ids() == {c.version_id for c in (DEMO, POET, CODER)}


def test_a_volume_that_is_nearly_full_is_an_error_of_ours(tmp_path: Path) -> None:
    """Qdrant's memory maps would end the process with a bus error."""
    points = ShardPoints(tmp_path / "cards", free_bytes=lambda _: ROOM - 1)
    with pytest.raises(StorageFull, match="card index"):
        points.ids()
    assert not (tmp_path / "cards").exists()


def test_texts_without_known_words_find_nothing(settings: RegistrySettings) -> None:
    """Neither an empty text, nor stop words, nor words of no card; nor an empty index."""
    assert open_index(settings).search("shakespeare") == []
    index = _filled(settings)
    for text in ("", "the and of", "?!", "zebra"):
        assert index.search(text) == []


def test_filters_narrow_a_search(settings: RegistrySettings) -> None:
    """By word, by one of several words, by number; several hold together."""
    index = _filled(settings)

    def models(**filters: str | Between) -> set[str]:
        return {hit.model for hit in index.search("text plays code", filters=filters)}

    assert models() == {DEMO.model, POET.model, CODER.model}
    assert models(licence="mit") == {DEMO.model, CODER.model}
    assert models(tags="text-generation") == {DEMO.model, POET.model}
    assert models(parameters=Between(most=1e9)) == {DEMO.model}
    assert models(parameters=Between(least=1e9)) == {POET.model}
    assert models(tags="text-generation", licence="mit") == {DEMO.model}
    assert len(index.search("text plays code", limit=1)) == 1


def test_similar_models_are_others(settings: RegistrySettings) -> None:
    """The nearest first, never a version of the same model, nothing for an unknown one."""
    index = _filled(settings)
    index.upsert(_card(9, DEMO.model, DEMO.text, licence="mit"))
    hits = index.similar(DEMO.version_id)
    assert hits[0].model == POET.model
    assert DEMO.model not in {hit.model for hit in hits}
    assert index.similar(str(uuid.UUID(int=99))) == []


def test_a_card_is_replaced_and_removed(settings: RegistrySettings) -> None:
    """The last one counts; what is gone is no error."""
    index = _filled(settings)
    index.upsert(_card(1, DEMO.model, "Draws zebras."))
    assert [hit.number for hit in index.search("zebra")] == [1]
    assert index.search("dramas") == []
    for _ in range(2):
        index.remove(DEMO.version_id)
    assert index.search("zebra") == []


def test_an_embedder_joins_an_index_that_has_cards(settings: RegistrySettings) -> None:
    """Meaning finds what words do not; cards from before are found by their words still."""
    _filled(settings)
    index = open_index(settings, Topics())
    assert [hit.model for hit in index.search("tiny")] == [DEMO.model]
    for card in (POET, CODER):
        index.upsert(card)
    assert index.search("rhymes")[0].model == POET.model
    both = index.search("rhyming python code drama")
    assert {hit.model for hit in both} >= {POET.model, CODER.model}
    assert index.similar(CODER.version_id)[0].model == POET.model
    assert [hit.model for hit in open_index(settings).search("tiny")] == [DEMO.model]


def test_it_is_known_which_cards_an_embedder_has_seen(settings: RegistrySettings) -> None:
    """Without a card, without a vector, or with another embedder's: all three are stale."""
    _filled(settings)
    open_index(settings, Topics()).upsert(POET, CODER)
    index = open_index(settings)
    gone = str(uuid.UUID(int=99))
    ids = [DEMO.version_id, POET.version_id, CODER.version_id, gone]
    assert index.stale(ids, "topics") == {DEMO.version_id, gone}
    assert index.stale(ids, "another") == set(ids)
    assert index.stale(ids, None) == {gone}
    kept = index.payloads(ids)
    assert kept.keys() == {DEMO.version_id, POET.version_id, CODER.version_id}
    assert kept[DEMO.version_id]["tags"] == ["gguf", "text-generation"]
    assert index.payloads([]) == {}


_UPSERT = """
import sys, uuid
from pathlib import Path
from modelyard.registry.cards.index import Card, open_index
from modelyard.registry.settings import RegistrySettings, load
index = open_index(load(RegistrySettings, data_dir=Path(sys.argv[1])))
first = int(sys.argv[2])
for n in range(first, first + 10):
    index.upsert(Card(str(uuid.UUID(int=n)), f"o/m{n}", n, "shakespeare"))
    print(n, flush=True)
    if len(sys.argv) > 3:
        sys.stdin.readline()
"""


def _upserting(folder: Path, first: int, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _UPSERT, str(folder), str(first), *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_take_turns_at_an_embedded_index(tmp_path: Path) -> None:
    """Three at once, from before it exists: no card is lost."""
    children = [_upserting(tmp_path, first) for first in (0, 10, 20)]
    for child in children:
        child.communicate(timeout=240)
    assert [child.returncode for child in children] == [0, 0, 0]
    index = open_index(load(RegistrySettings, data_dir=tmp_path))
    assert len(index.search("shakespeare", limit=100)) == 30


def test_what_was_upserted_survives_a_kill(tmp_path: Path) -> None:
    """The card that was confirmed is there, and the index opens."""
    child = _upserting(tmp_path, 0, "wait")
    assert child.stdout
    assert child.stdout.readline() == "0\n"
    child.kill()
    child.communicate()
    (tmp_path / "cards.draft").mkdir()  # as a kill while making the shard leaves it
    index = open_index(load(RegistrySettings, data_dir=tmp_path))
    assert [hit.number for hit in index.search("shakespeare")] == [0]


def test_a_server_that_refuses_or_is_gone_is_named(wire: QdrantWire, tmp_path: Path) -> None:
    """The error has the address and says where to look; the key is not in it."""
    secret = SecretStr("wrong key")
    for url in (wire.url, "http://127.0.0.1:9"):
        settings = load(RegistrySettings, data_dir=tmp_path, qdrant_url=url, qdrant_api_key=secret)
        with pytest.raises(IndexUnavailable, match=url) as caught:
            open_index(settings).search("shakespeare")
        assert "wrong key" not in str(caught.value)


def test_the_server_is_asked_in_its_own_words(wire: QdrantWire, tmp_path: Path) -> None:
    """Collection, indexes, points and a fused query look as Qdrant's REST interface has them."""
    key = SecretStr(KEY)
    settings = load(RegistrySettings, data_dir=tmp_path, qdrant_url=wire.url, qdrant_api_key=key)
    index = open_index(settings, Topics())
    index.upsert(DEMO)
    index.search("plays", limit=3, filters={"licence": "mit"})
    asked = {(method, path): body for method, path, body in wire.requests}
    base = "/collections/modelyard-cards"
    assert asked["PUT", base] == {"vectors": {}, "sparse_vectors": {"bm25": {"modifier": "idf"}}}
    assert asked["PUT", f"{base}/vectors/topics"] == {"dense": {"size": 2, "distance": "Cosine"}}
    (point,) = asked["PUT", f"{base}/points"]["points"]
    assert point["vector"]["topics"] == [1.0, 0.1]
    assert set(point["vector"]["bm25"]) == {"indices", "values"}
    query = asked["POST", f"{base}/points/query"]
    assert query["query"] == {"rrf": {"k": 60}}
    assert [half["using"] for half in query["prefetch"]] == ["bm25", "topics"]
    wanted = {"key": "licence", "match": {"value": "mit"}}
    assert [half["filter"]["must"] for half in query["prefetch"]] == [[wanted], [wanted]]
