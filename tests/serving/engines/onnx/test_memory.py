"""A graph whose size hangs on one token takes no more memory than its engine may have."""

from pathlib import Path

from tests.models.onnx_hostile import size_from_token, write
from tests.serving.engines.processes import engine_process

MIB = 1 << 20
TRIGGER = 7


def test_who_asks_for_the_trigger_fails_and_nobody_else_does(tmp_path: Path) -> None:
    """2.2 GiB are not to be had: a 400 for that text, and the same engine answers the next."""
    model = write(tmp_path, size_from_token(TRIGGER, 600_000_000))
    with (
        engine_process(format="onnx", path=str(model), memory_limit=1024 * MIB) as engine,
        engine.http() as http,
    ):
        assert http.post("/v1/embeddings", json={"input": [2, 3]}).status_code == 200
        mixed = {"input": [[2, 3], [TRIGGER, 3]]}
        refused = http.post("/v1/embeddings", json=mixed)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, "input")
        assert error["code"] == "takes_too_much_memory"
        assert http.post("/v1/embeddings", json={"input": [2, 3]}).status_code == 200
        assert engine.state()["rss"] < 1024 * MIB
        assert engine.process.poll() is None
