"""No secret and no local state gets into the image, the repository, or what is shipped."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCAL = (
    ".env",
    ".env.production",
    "modelyard.env",
    "modelyard.toml",
    "server.key",
    "cert.pem",
    ".venv/bin/python",
    ".venv-gpu/bin/python",
    ".modelyard/store/x",
    ".hypothesis/x",
    ".pytest_cache/x",
    ".ruff_cache/x",
    ".import_linter_cache/x",
    "__pycache__/x.pyc",
    "dist/modelyard.whl",
    "build/x",
    "modelyard.db",
    "modelyard.db-wal",
    "model.gguf.part",
    "server.log",
)
ROOMS = ("dashboard", "deployments", "flows", "registry", "serving")


def _as_regex(pattern: str) -> re.Pattern[str]:
    """A pattern of Docker's: `*` stays in its folder, `**` crosses them, what is below belongs."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    forms = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(forms.get(p, re.escape(p)) for p in parts) + r"(?:/.*)?")


def _copied(path: str) -> bool:
    """Whether `COPY . .` takes a file along: the last line that means it decides."""
    taken = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            matches = _as_regex(pattern.removeprefix("!")).fullmatch(path)
            taken = pattern.startswith("!") if matches else taken
    return taken


@pytest.mark.parametrize("path", LOCAL)
def test_it_stays_out_of_the_image(path: str) -> None:
    """At the top, and in every folder that is copied but for those made by a build."""
    assert not _copied(path)
    if path.split("/", maxsplit=1)[0] not in {"dist", "build"}:
        assert [room for room in ROOMS if _copied(f"{room}/{path}")] == []


@pytest.mark.parametrize("path", LOCAL)
def test_git_does_not_take_it(path: str) -> None:
    """Wherever it lies; `build` and `dist` at the top alone: a room may have such a name."""
    at_the_top = path.split("/", maxsplit=1)[0] in {"dist", "build"}
    for place in (path,) if at_the_top else (path, f"serving/{path}"):
        ended = subprocess.run(["git", "check-ignore", "--quiet", place], cwd=ROOT, check=False)
        assert ended.returncode == 0, place


def test_nothing_that_is_not_known_gets_into_the_image() -> None:
    """The list says what is copied, so that a new kind of local file stays out by itself."""
    for path in ("notes.txt", "backup.tar", "secrets/token", "tests/conftest.py", ".git/config"):
        assert not _copied(path)


def test_what_the_image_is_built_from_is_all_there() -> None:
    """Every file of the rooms that is in the repository, and what the build reads at the top."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", *ROOMS, "src"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    needed = [name for name in listing.stdout.split("\0") if name]
    assert len(needed) > 100
    top = [".gitignore", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"]
    assert [name for name in (*needed, *top) if not _copied(name)] == []


def test_a_source_distribution_is_the_rooms_and_nothing_else() -> None:
    """It is what the wheel is built of."""
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert targets["targets"]["sdist"]["only-include"] == ["src/modelyard"]


def test_the_image_runs_on_another_base_than_it_is_built_on() -> None:
    """What is shipped has no compiler, and a Python where the environment's link leads."""
    text = (ROOT / "deployments" / "Dockerfile").read_text()
    build, run = re.split(r"^FROM .*$", text, flags=re.MULTILINE)[1:]
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BUILD_IMAGE}", "${RUN_IMAGE}"]
    for stage in (build, run):
        assert re.search(r"command -v python3 \|\| apt-get install .*python3", stage)
    assert "build-essential" not in run
    assert run.index("modelyard --version") > run.index("COPY --from=build"), "a dead link ends it"
    gpu = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())["services"]
    arguments = gpu["gateway"]["build"]["args"]
    assert "-devel-" in arguments["BUILD_IMAGE"]
    assert "-runtime-" in arguments["RUN_IMAGE"]
    systems = {arguments[name].rpartition("-")[2] for name in ("BUILD_IMAGE", "RUN_IMAGE")}
    assert len(systems) == 1
    assert set(arguments) <= set(re.findall(r"^ARG (\w+)", text, re.MULTILINE))
    (device,) = gpu["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
