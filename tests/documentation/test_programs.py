"""Every program of these pages runs against a real gateway, as somebody would copy it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.documentation.blocks import blocks
from tests.serving.processes import environment
from tests.serving.reached import ReachedGateway, reached_gateway

pytestmark = pytest.mark.slow(seconds=40)
PAGES = ("batches.md", "requests.md")
LONGEST_S = 240.0


@pytest.fixture(scope="module")
def reached(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[ReachedGateway]:
    with reached_gateway(sqlite_template, tmp_path_factory.mktemp("documentation")) as reached:
        yield reached


@pytest.mark.parametrize("page", PAGES)
def test_every_program_of_a_page_runs(page: str, reached: ReachedGateway, tmp_path: Path) -> None:
    """Those of a terminal in one session, which later ones go on with."""
    found = blocks(page)
    shell = "\n".join(block.program for block in found if block.language == "console")
    assert shutil.which("jq"), "the pages use jq: `make servers` brings it"
    _run(["bash", "-euo", "pipefail", "-c", shell], reached, tmp_path)
    for block in found:
        if block.language == "python":
            _run([sys.executable, "-W", "error", "-c", block.program], reached, tmp_path)


def _run(argv: list[str], reached: ReachedGateway, folder: Path) -> None:
    there = environment(folder) | {
        "MODELYARD_GATEWAY_URL": reached.url,
        "MODELYARD_API_KEY": reached.ada,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
    }
    for name in ("MODELYARD_DATA_DIR", "MODELYARD_DATABASE_URL", "MODELYARD_SECRET_KEY"):
        del there[name]
    ended = subprocess.run(
        argv, env=there, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert ended.returncode == 0, f"{argv[-1]}\n{ended.stdout}{ended.stderr}"
