"""Cards on a Qdrant server, which many machines can share."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from modelyard.registry.cards.card import KEYWORD_FIELDS, NUMBER_FIELDS, Between
from modelyard.registry.cards.points import (
    RANK_CONSTANT,
    SPARSE,
    Point,
    Search,
    Sparse,
    Vectors,
    dense,
)
from modelyard.registry.errors import IndexUnavailable

COLLECTION = "modelyard-cards"
_TIMEOUT_S = 10
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ServerPoints:
    """The points of one Qdrant collection; `page` of them are listed at a time."""

    url: str
    api_key: str = field(repr=False, default="")
    page: int = _PAGE

    def put(self, points: Sequence[Point]) -> None:
        stored = [
            models.PointStruct(id=p.id, vector=_vectors(p.vectors), payload=dict(p.payload))
            for p in points
        ]
        with self._client(points[0].vectors) as client:
            client.upsert(COLLECTION, stored, wait=True)

    def get(self, point_id: str) -> Point | None:
        with self._client({}) as client:
            found = client.retrieve(COLLECTION, [point_id], with_vectors=True)
        if not found:
            return None
        named: Any = found[0].vector
        vectors = {name: _plain(vector) for name, vector in named.items()}
        return Point(point_id, vectors, found[0].payload or {})

    def payloads(self, point_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        with self._client({}) as client:
            found = client.retrieve(COLLECTION, list(point_ids), with_vectors=False)
        return {str(record.id): record.payload or {} for record in found}

    def ids(self) -> set[str]:
        found = set[str]()
        offset: Any = None
        with self._client({}) as client:
            while True:
                page, offset = client.scroll(
                    COLLECTION, limit=self.page, offset=offset, with_payload=False
                )
                found.update(str(record.id) for record in page)
                if offset is None:
                    return found

    def delete(self, point_id: str) -> None:
        with self._client({}) as client:
            client.delete(COLLECTION, models.PointIdsList(points=[point_id]), wait=True)

    def search(self, search: Search) -> list[tuple[Mapping[str, Any], float]]:
        with self._client(search.vectors) as client:
            found: list[models.ScoredPoint] = _query(client, search).points
        return [(point.payload or {}, point.score) for point in found]

    @contextmanager
    def _client(self, vectors: Vectors) -> Generator[QdrantClient]:
        """A client whose collection has a field for each dense vector in `vectors`."""
        client = QdrantClient(
            url=self.url,
            # Not as api_key, which warns about plain HTTP; on a private network that is normal.
            headers={"api-key": self.api_key} if self.api_key else None,
            timeout=_TIMEOUT_S,
            check_compatibility=False,  # it only logs a warning
        )
        try:
            _prepare(client, dense(vectors))
            yield client
        except (ResponseHandlingException, UnexpectedResponse) as error:
            raise IndexUnavailable(
                f"The Qdrant server at {self.url} refuses or does not answer: {str(error)[:300]}",
                fix="Check that it runs, MODELYARD_QDRANT_URL and MODELYARD_QDRANT_API_KEY.",
            ) from error
        finally:
            client.close()


def _prepare(client: QdrantClient, wanted: Mapping[str, list[float]]) -> None:
    """Create the missing collection, indexes and vectors; safe with concurrent processes."""
    if not client.collection_exists(COLLECTION):
        _create(client)
    info = client.get_collection(COLLECTION)
    kinds = dict.fromkeys(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
    kinds |= dict.fromkeys(NUMBER_FIELDS, models.PayloadSchemaType.INTEGER)
    for name in kinds.keys() - info.payload_schema.keys():
        client.create_payload_index(COLLECTION, name, kinds[name])
    there: Any = info.config.params.vectors or {}
    for name in wanted.keys() - there.keys():
        shape = models.DenseVectorConfig(size=len(wanted[name]), distance=models.Distance.COSINE)
        client.create_vector_name(COLLECTION, name, models.DenseVectorNameConfig(dense=shape))


def _create(client: QdrantClient) -> None:
    sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
    try:
        client.create_collection(COLLECTION, {}, sparse_vectors_config={SPARSE: sparse})
    except UnexpectedResponse as error:
        if error.status_code != 409:  # another process created it first
            raise


def _query(client: QdrantClient, search: Search) -> Any:
    where = _filter(search)
    nearest = {n: models.NearestQuery(nearest=v) for n, v in _vectors(search.vectors).items()}
    if len(nearest) == 1:
        ((name, query),) = nearest.items()
        return client.query_points(
            COLLECTION, query, using=name, query_filter=where, limit=search.limit
        )
    halves = [
        models.Prefetch(query=query, using=name, filter=where, limit=search.depth)
        for name, query in nearest.items()
    ]
    fused = models.RrfQuery(rrf=models.Rrf(k=RANK_CONSTANT))
    return client.query_points(COLLECTION, fused, prefetch=halves, limit=search.limit)


def _filter(search: Search) -> models.Filter:
    must = [_condition(name, wanted) for name, wanted in search.filters.items()]
    wrong = [_condition("model", search.not_model)] if search.not_model else []
    return models.Filter(must=[*must], must_not=[*wrong])


def _condition(name: str, wanted: str | Between) -> models.FieldCondition:
    if isinstance(wanted, Between):
        bounds = models.Range(gte=wanted.least, lte=wanted.most)
        return models.FieldCondition(key=name, range=bounds)
    return models.FieldCondition(key=name, match=models.MatchValue(value=wanted))


def _vectors(vectors: Vectors) -> dict[str, Any]:
    words = {
        name: models.SparseVector(indices=list(v.indices), values=list(v.values))
        for name, v in vectors.items()
        if isinstance(v, Sparse)
    }
    return {**words, **dense(vectors)}


def _plain(vector: Any) -> Sparse | list[float]:
    if isinstance(vector, models.SparseVector):
        return Sparse(vector.indices, vector.values)
    return list(vector)
