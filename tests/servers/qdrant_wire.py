"""The part of Qdrant's HTTP interface that we speak, over points in memory.

Shapes of requests and answers are those of Qdrant 1.17's REST interface as its own client sends
and reads them; scores are exact dot products without inverse document frequencies.
"""

import copy
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "key of the fake server"
_PATH = re.compile(r"/collections/(?P<name>[\w-]+)(?P<rest>(/[\w.-]+)*)")


@dataclass(slots=True)
class Collection:
    """One collection's configuration and points."""

    config: dict[str, Any]
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])
    points: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


@dataclass(slots=True)
class QdrantWire:
    """The server's memory, and every request it was sent: (method, path, body)."""

    url: str = ""
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])
    requests: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and result."""
        self.requests.append((method, path, body))
        match = _PATH.fullmatch(path)
        if match is None:
            return 404, None
        name = match["name"]
        rest = match["rest"]
        if (method, rest) == ("GET", "/exists"):
            return 200, {"exists": name in self.collections}
        if (method, rest) == ("PUT", ""):
            created = name not in self.collections
            self.collections.setdefault(name, Collection(copy.deepcopy(body)))
            return (200, True) if created else (409, None)
        if name not in self.collections:
            return 404, None
        return _of_collection(self.collections[name], method, rest, body)


def _of_collection(held: Collection, method: str, rest: str, body: Any) -> tuple[int, Any]:
    match (method, rest.split("/")[1:]):
        case ("GET", []):
            return 200, _info(held)
        case ("POST", ["points"]):
            return 200, [held.points[i] for i in body["ids"] if i in held.points]
        case ("POST", ["points", "scroll"]):
            return 200, _page(held, body)
        case ("POST", ["points", "query"]):
            return 200, {"points": _query(held, body)}
        case _:
            done = _change(held, method, rest.split("/")[1:], body)
            return (200, {"operation_id": 1, "status": "completed"}) if done else (404, None)


def _page(held: Collection, body: Any) -> dict[str, Any]:
    """Points from an id on, and the id that the next page begins with."""
    ids = sorted(i for i in held.points if i >= (body.get("offset") or ""))
    page = ids[: body["limit"]]
    follows = ids[body["limit"] :][:1]
    return {"points": [{"id": i} for i in page], "next_page_offset": next(iter(follows), None)}


def _change(held: Collection, method: str, path: list[str], body: Any) -> bool:
    match (method, path):
        case ("PUT", ["index"]):
            held.indexes[body["field_name"]] = body["field_schema"]
        case ("PUT", ["vectors", name]):
            held.config["vectors"][name] = body["dense"]
        case ("PUT", ["points"]):
            held.points |= {point["id"]: point for point in body["points"]}
        case ("POST", ["points", "delete"]):
            held.points = {i: p for i, p in held.points.items() if i not in body["points"]}
        case _:
            return False
    return True


def _info(held: Collection) -> dict[str, Any]:
    kinds = {n: {"data_type": kind, "points": 0} for n, kind in held.indexes.items()}
    params = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1}
    vectors = {key: held.config[key] for key in ("vectors", "sparse_vectors")}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "points_count": len(held.points),
        "config": {
            "params": {**params, **vectors},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
            "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        },
        "payload_schema": kinds,
    }


def _query(held: Collection, body: Any) -> list[dict[str, Any]]:
    if "prefetch" in body:
        scores: dict[str, float] = {}
        for half in body["prefetch"]:
            for rank, point in enumerate(_query(held, half), start=1):
                share = 1 / (body["query"]["rrf"]["k"] + rank)
                scores[point["id"]] = scores.get(point["id"], 0) + share
    else:
        kept = [p for p in held.points.values() if _passes(p["payload"], body["filter"])]
        scores = {
            p["id"]: _dot(body["query"]["nearest"], p["vector"].get(body["using"])) for p in kept
        }
    best = sorted(((s, i) for i, s in scores.items() if s > 0), reverse=True)[: body["limit"]]
    found = {i: held.points[i]["payload"] for _, i in best}
    return [{"id": i, "version": 0, "score": s, "payload": found[i]} for s, i in best]


def _passes(payload: dict[str, Any], where: dict[str, Any]) -> bool:
    must = where.get("must") or []
    wrong = where.get("must_not") or []
    return all(_meets(payload, c) for c in must) and not any(_meets(payload, c) for c in wrong)


def _meets(payload: dict[str, Any], condition: dict[str, Any]) -> bool:
    value = payload.get(condition["key"])
    if condition.get("range"):
        least = condition["range"].get("gte")
        most = condition["range"].get("lte")
        return value is not None and (least or value) <= value <= (most or value)
    wanted = condition["match"]["value"]
    return wanted in value if isinstance(value, list) else value == wanted


def _dot(query: Any, stored: Any) -> float:
    if stored is None:
        return 0.0
    if isinstance(query, dict):
        held = dict(zip(stored["indices"], stored["values"], strict=True))
        pairs = zip(query["indices"], query["values"], strict=True)
        return sum(weight * held.get(index, 0.0) for index, weight in pairs)
    return sum(a * b for a, b in zip(query, stored, strict=True))


@contextmanager
def running_qdrant_wire(
    address: tuple[str, int] = ("127.0.0.1", 0), key: str = KEY
) -> Generator[QdrantWire]:
    """Serve one, else on a free port of loopback, to those who send its key."""
    wire = QdrantWire()

    class QdrantHandler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status = 401
            result = None
            if self.headers.get("api-key") == key:
                status, result = wire.answer(self.command, self.path.partition("?")[0], body)
            self._send(status, {"result": result, "status": "ok", "time": 0.0})

        def _send(self, status: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = _do  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    server = ThreadingHTTPServer(address, QdrantHandler)
    wire.url = f"http://{address[0]}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
