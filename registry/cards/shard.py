"""Cards in an embedded Qdrant shard: no server, one process at a time.

Only one process can have a shard open. Each operation therefore opens it under a lock and closes it
again, which takes some 20 ms.
"""

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qdrant_edge as edge

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
from modelyard.registry.errors import IndexUnavailable, StorageFull
from modelyard.registry.locks import exclusive
from modelyard.registry.sizes import size_text
from modelyard.registry.store.capacity import free_on_volume

ROOM = 128 * 1024**2
"""Free bytes without which the shard is not opened: two log files and two pages of 32 MiB each.

Qdrant writes through memory maps of sparse files. Where the volume is full the kernel ends the
whole process with SIGBUS, and nothing can catch it.
"""

_TRIAL = "00000000-0000-4000-8000-000000000000"
"""The id of a point that is only tried."""


@dataclass(frozen=True, slots=True)
class ShardPoints:
    """The points of the shard in one folder; `free_bytes` measures the folder's volume.

    Each operation raises StorageFull if the volume has less than ROOM, and IndexUnavailable if
    the folder holds no shard that can be read.
    """

    folder: Path
    free_bytes: Callable[[Path], int] = free_on_volume

    def put(self, points: Sequence[Point]) -> None:
        stored = [edge.Point(p.id, _vectors(p.vectors), dict(p.payload)) for p in points]
        with self._shard(points[0].vectors) as shard:
            shard.update(edge.UpdateOperation.upsert_points(stored))
            shard.flush()

    def get(self, point_id: str) -> Point | None:
        with self._shard({}) as shard:
            found = shard.retrieve([point_id], with_payload=True, with_vector=True)
        if not found:
            return None
        named: Any = found[0].vector
        vectors = {name: _plain(vector) for name, vector in named.items()}
        return Point(point_id, vectors, found[0].payload or {})

    def payloads(self, point_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        with self._shard({}) as shard:
            found = shard.retrieve(list(point_ids), with_payload=True, with_vector=False)
        return {str(record.id): record.payload or {} for record in found}

    def delete(self, point_id: str) -> None:
        with self._shard({}) as shard:
            shard.update(edge.UpdateOperation.delete_points([point_id]))
            shard.flush()

    def ids(self) -> set[str]:
        with self._shard({}) as shard:
            every = edge.ScrollRequest(limit=shard.info().points_count + 1)
            return {str(record.id) for record in shard.scroll(every)[0]}

    def search(self, search: Search) -> list[tuple[Mapping[str, Any], float]]:
        with self._shard(search.vectors) as shard:
            found = shard.query(_request(search))
        return [(point.payload or {}, point.score) for point in found]

    def try_writing(self) -> None:
        """Write one point and take it away again, before anybody else can see it."""
        point = edge.Point(_TRIAL, _vectors({SPARSE: Sparse((0,), (1.0,))}), {})
        with self._shard({}) as shard:
            shard.update(edge.UpdateOperation.upsert_points([point]))
            shard.update(edge.UpdateOperation.delete_points([_TRIAL]))
            shard.flush()

    @contextmanager
    def _shard(self, vectors: Vectors) -> Generator[edge.EdgeShard]:
        """The open shard, with a field for each dense vector in `vectors`."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._check_room()
        with exclusive(self.folder.with_suffix(".lock")):
            if not self.folder.exists():
                _create(self.folder)
            shard = self._load()
            try:
                for name, vector in dense(vectors).items():
                    join = edge.UpdateOperation.create_dense_vector
                    shard.update(join(name, len(vector), edge.Distance.Cosine))
                yield shard
            finally:
                shard.close()

    def _load(self) -> edge.EdgeShard:
        try:
            return edge.EdgeShard.load(str(self.folder))
        except Exception as error:  # noqa: BLE001 - the library has no class of its own
            raise IndexUnavailable(
                f"The card index in {self.folder} cannot be opened: {error}.",
                fix="Move that folder away: the next `modelyard models add`, or the daily upkeep, "
                "makes it anew from the registered models.",
            ) from None

    def _check_room(self) -> None:
        free = self.free_bytes(self.folder.parent)
        if free < ROOM:
            raise StorageFull(
                f"The volume of the card index has {size_text(free)} free, and the index needs "
                f"{size_text(ROOM)} to write safely.",
                fix="Free the disk (`modelyard models gc` shows what belongs to nothing).",
            )


def _create(folder: Path) -> None:
    """Create a shard with its indexes atomically: in a draft folder that is then renamed."""
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    config = edge.EdgeConfig(vectors={}, sparse_vectors={SPARSE: sparse})
    shard = edge.EdgeShard.create(str(draft), config)
    kinds = dict.fromkeys(KEYWORD_FIELDS, edge.PayloadSchemaType.Keyword)
    kinds |= dict.fromkeys(NUMBER_FIELDS, edge.PayloadSchemaType.Integer)
    for name, kind in kinds.items():
        shard.update(edge.UpdateOperation.create_field_index(name, kind))
    shard.flush()
    shard.close()
    draft.rename(folder)


def _request(search: Search) -> edge.QueryRequest:
    where = _filter(search)
    vectors = _vectors(search.vectors)
    nearest: list[Any] = [edge.Query.Nearest(v, using=name) for name, v in vectors.items()]
    fused: Any = edge.Fusion.Rrf(k=RANK_CONSTANT)
    if len(nearest) == 1:
        return edge.QueryRequest(search.limit, query=nearest[0], filter=where, with_payload=True)
    return edge.QueryRequest(
        search.limit,
        query=fused,
        prefetches=[edge.Prefetch(search.depth, query=q, filter=where) for q in nearest],
        with_payload=True,
    )


def _filter(search: Search) -> edge.Filter:
    must: list[Any] = [_condition(name, wanted) for name, wanted in search.filters.items()]
    wrong: list[Any] = [_condition("model", search.not_model)] if search.not_model else []
    return edge.Filter(must=must, must_not=wrong)


def _condition(name: str, wanted: str | Between) -> edge.FieldCondition:
    if isinstance(wanted, Between):
        bounds = edge.RangeFloat(gte=wanted.least, lte=wanted.most)
        return edge.FieldCondition(name, range=bounds)
    return edge.FieldCondition(name, match=edge.MatchValue(wanted))


def _vectors(vectors: Vectors) -> dict[str, Any]:
    words = {
        name: edge.SparseVector(list(v.indices), list(v.values))
        for name, v in vectors.items()
        if isinstance(v, Sparse)
    }
    return {**words, **dense(vectors)}


def _plain(vector: Any) -> Sparse | list[float]:
    if isinstance(vector, edge.SparseVector):
        return Sparse(vector.indices, vector.values)
    return list(vector)
