"""Ingests in forked processes with everything imported, each struck by a fault at one of its steps.

Runs in a mount namespace of its own, where the data folder is a small volume. Reads a JSON document
a line and answers with one: how an ingest ended, or what is to be seen of it afterwards.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow.store.tracking import sqlalchemy_store  # so that no child has to
from mlflow.tracking import client as mlflow_client
from prefect import main as prefect_main

from modelyard.flows.context import open_context
from modelyard.flows.ingest.command import run_ingest
from modelyard.flows.ingest.flow import ingest
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.runs.cancellation import name_runner
from modelyard.registry.errors import ModelyardError
from tests.flows.lifecycle.faults import StepFault, let_go
from tests.flows.lifecycle.sight import look

VOLUME = "400m"


def _ingest(request: dict[str, Any], strike: dict[str, Any]) -> dict[str, Any]:
    fault = StepFault(**strike)
    sys.setprofile(fault)
    try:
        run_ingest(
            IngestRequest(
                repo=request["repo"], quantize=tuple(request["quantize"]), name=request["name"]
            )
        )
    except ModelyardError as error:
        return {"code": error.code, "message": str(error), "points": fault.points}
    finally:
        sys.setprofile(None)
    return {"code": "", "message": "", "points": fault.points}


def _ingest_under_runner(request: dict[str, Any], strike: dict[str, Any]) -> Any:
    """As Prefect's engine in a process that a runner started: this process is the runner."""
    os.environ["PREFECT__FLOW_RUN_ID"] = str(uuid4())  # only that it is set counts
    name_runner()

    def engine() -> dict[str, Any]:
        fault = StepFault(**strike)
        sys.setprofile(fault)
        ingest(repo=request["repo"], quantize=request["quantize"], name=request["name"])
        return {"code": "", "message": "", "points": fault.points}

    return _forked(engine)


def _settle() -> list[str]:
    from modelyard.flows.ingest.settling import settle

    with open_context() as context:
        return settle(context)


WORK: dict[str, Callable[..., Any]] = {
    "ingest": _ingest,
    "ingest under runner": _ingest_under_runner,
    "look": look,
    "settle": _settle,
    "let_go": let_go,
}


def _forked(work: Callable[[], Any]) -> Any:
    """What it returns in a child, or the signal that ended that."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            answer = json.dumps(work())
        except BaseException:  # noqa: BLE001 - it is told, then the child is over
            answer = json.dumps({"code": "broke", "message": traceback.format_exc()})
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as end:
        said = end.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else {"code": f"signal {os.WTERMSIG(status)}"}


def main() -> None:
    data = Path(os.environ["MODELYARD_DATA_DIR"])
    data.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME}", "tmpfs", str(data)]
    subprocess.run(mount, check=True)
    assert all((mlflow_client, prefect_main, sqlalchemy_store))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what commands print is no answer
    print('"ready"', file=answers, flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer = _forked(lambda name=name, arguments=arguments: WORK[name](*arguments))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
