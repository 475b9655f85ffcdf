"""The bundled Hub answers the real huggingface_hub client as the Hugging Face Hub does."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder

from modelyard.deployments.demo.hub import BUNDLED
from tests.deployments.conftest import GATED, OPEN, PRIVATE, TOKEN
from tests.deployments.hub_process import RunningHub, fetch, running_hub

FILES = ["config.json", "model.gguf", "onnx/model.onnx"]


def test_a_file_arrives_whole_under_its_commit(
    hub: RunningHub, cache: Path, weights: bytes
) -> None:
    """A download has the very bytes on disk and lies under the repository's commit."""
    path = hf_hub_download(OPEN, "model.gguf", cache_dir=cache, endpoint=hub.url, token=False)
    assert Path(path).read_bytes() == weights
    assert str(hub.client().model_info(OPEN).sha) in path


def test_a_second_download_moves_no_bytes(hub: RunningHub, cache: Path) -> None:
    """The client trusts our ETag: what it has is not fetched again."""
    first = hf_hub_download(OPEN, "model.gguf", cache_dir=cache, endpoint=hub.url, token=False)
    sent = hub.file_bytes
    again = hf_hub_download(OPEN, "model.gguf", cache_dir=cache, endpoint=hub.url, token=False)
    assert (again, hub.file_bytes) == (first, sent)


def test_a_snapshot_is_every_file_but_our_settings(hub: RunningHub, cache: Path) -> None:
    """A snapshot holds all files in their folders; `.hub.json` is never served."""
    folder = Path(snapshot_download(OPEN, cache_dir=cache, endpoint=hub.url, token=False))
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert sorted(found) == FILES
    assert fetch(hub.address(OPEN, ".hub.json")).status_code == 404


def test_a_snapshot_can_be_narrowed_to_patterns(hub: RunningHub, cache: Path) -> None:
    """Only the files asked for are sent."""
    sent = hub.file_bytes
    snapshot_download(OPEN, cache_dir=cache, endpoint=hub.url, token=False, allow_patterns="*.json")
    assert hub.file_bytes - sent == len('{"model_type": "llama"}')


def test_the_files_are_listed(hub: RunningHub) -> None:
    """The client sees every file of a repository."""
    assert sorted(hub.client().list_repo_files(OPEN)) == FILES


def test_model_info_tells_sizes_and_hashes(hub: RunningHub, weights: bytes) -> None:
    """An LFS file comes with the SHA-256 that a download can be checked against."""
    info = hub.client().model_info(OPEN, files_metadata=True)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or []}
    lfs = siblings["model.gguf"].lfs
    assert lfs is not None
    assert (lfs.sha256, lfs.size) == (hashlib.sha256(weights).hexdigest(), len(weights))
    assert siblings["config.json"].lfs is None


def test_a_small_file_has_the_id_git_gives_it(hub: RunningHub) -> None:
    """A file outside LFS carries git's own blob id."""
    content = b'{"model_type": "llama"}'
    expected = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - git's
    (entry,) = hub.client().get_paths_info(OPEN, ["config.json", "nothing.here"])
    assert isinstance(entry, RepoFile)
    assert entry.blob_id == expected


def test_a_tree_shows_one_level_or_all(hub: RunningHub) -> None:
    """A folder is an entry of its own; its files show when asked for recursively."""
    client = hub.client()
    top = {entry.path: type(entry) for entry in client.list_repo_tree(OPEN)}
    assert top == {"onnx": RepoFolder, "config.json": RepoFile, "model.gguf": RepoFile}
    below = [entry.path for entry in client.list_repo_tree(OPEN, "onnx")]
    assert below == ["onnx/model.onnx"]
    assert {entry.path for entry in client.list_repo_tree(OPEN, recursive=True)} == {"onnx", *FILES}


@pytest.mark.parametrize("length", [7, 12, 40])
def test_a_commit_is_a_revision(hub: RunningHub, length: int) -> None:
    """A commit id, whole or its first seven digits or more, names the snapshot."""
    commit = hub.client().model_info(OPEN).sha or ""
    assert hub.client().model_info(OPEN, revision=commit[:length]).sha == commit


def test_a_tag_is_a_revision(hub: RunningHub, cache: Path) -> None:
    """A tag from `.hub.json` is listed and can be downloaded from."""
    assert [tag.name for tag in hub.client().list_repo_refs(OPEN).tags] == ["v1"]
    assert hf_hub_download(
        OPEN, "config.json", revision="v1", cache_dir=cache, endpoint=hub.url, token=False
    )


def test_a_changed_file_is_a_new_commit(tmp_path: Path) -> None:
    """Changing a file on disk moves main, and the old commit is gone."""
    folder = tmp_path / "models" / "ada" / "changing"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    with running_hub(tmp_path / "models", tmp_path) as hub:
        before = hub.client().model_info("ada/changing").sha
        (folder / "a.txt").write_text("two!")
        after = hub.client().model_info("ada/changing").sha
        assert before != after
        with pytest.raises(RevisionNotFoundError):
            hub.client().model_info("ada/changing", revision=before)


def test_an_unknown_revision_is_refused(hub: RunningHub) -> None:
    """A branch nobody made, and a prefix too short to be a commit, are not found."""
    short = (hub.client().model_info(OPEN).sha or "")[:6]
    for revision in ("dev", short):
        with pytest.raises(RevisionNotFoundError):
            hub.client().model_info(OPEN, revision=revision)


def test_an_unknown_file_is_refused(hub: RunningHub, cache: Path) -> None:
    """A file that is not there is an EntryNotFoundError, not a missing repository."""
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(OPEN, "nothing.here", cache_dir=cache, endpoint=hub.url, token=False)


@pytest.mark.parametrize("repo_id", ["ada/nobody", "nobody/at-all", "no-owner"])
def test_an_unknown_repository_is_refused(hub: RunningHub, repo_id: str) -> None:
    """A repository that is not there is named as such, to strangers and to readers."""
    for token in (None, TOKEN):
        with pytest.raises(RepositoryNotFoundError):
            hub.client(token).model_info(repo_id)


def test_a_path_never_leaves_the_root(hub: RunningHub) -> None:
    """Dots in an address reach nothing outside the repository."""
    (hub.root.parent / "secret.txt").write_text("secret")
    for path in ("../../../secret.txt", "%2e%2e/%2e%2e/%2e%2e/secret.txt"):
        url = httpx2.URL(hub.url, raw_path=f"/ada/open/resolve/main/{path}".encode())
        assert fetch(url).status_code == 404
    assert fetch(httpx2.URL(hub.url, raw_path=b"/api/models/../..")).status_code == 404
    assert fetch(httpx2.URL(hub.url, raw_path=b"/api/models/ada/%2e%2e")).status_code in {
        401,
        404,
    }


def test_a_gated_model_shows_but_does_not_open(
    hub: RunningHub, cache: Path, weights: bytes
) -> None:
    """Anyone may read a gated model's description; its files need a reader's token."""
    assert hub.client().model_info(GATED).gated == "auto"
    with pytest.raises(GatedRepoError):
        hf_hub_download(GATED, "model.gguf", cache_dir=cache, endpoint=hub.url, token=False)
    path = hf_hub_download(GATED, "model.gguf", cache_dir=cache, endpoint=hub.url, token=TOKEN)
    assert Path(path).read_bytes() == weights


def test_a_private_model_is_hidden(hub: RunningHub) -> None:
    """A stranger can't tell a private model from none; a reader sees it."""
    with pytest.raises(RepositoryNotFoundError) as refusal:
        hub.client().model_info(PRIVATE)
    assert not isinstance(refusal.value, GatedRepoError)
    assert hub.client(TOKEN).model_info(PRIVATE).private


def test_a_wrong_token_is_told_so(hub: RunningHub) -> None:
    """A token the Hub does not know is an error everywhere, and whoami knows the right one."""
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        hub.client("hf_wrong").model_info(OPEN)
    assert hub.client(TOKEN).whoami()["name"] == "local"


def test_models_are_searched(hub: RunningHub) -> None:
    """The list holds what the caller may see and the search wants."""
    stranger = hub.client()
    reader = hub.client(TOKEN)
    assert [model.id for model in stranger.list_models(sort="downloads")] == [OPEN, GATED]
    assert {model.id for model in reader.list_models()} == {OPEN, GATED, PRIVATE}
    assert [model.id for model in stranger.list_models(search="gat")] == [GATED]
    assert [model.id for model in stranger.list_models(filter="gguf")] == [OPEN]
    assert list(stranger.list_models(author="bob")) == []


def test_the_bundled_model_is_what_a_bare_start_serves(tmp_path: Path) -> None:
    """The default root is the folder beside the Hub, with the demo model in it."""
    with running_hub(BUNDLED, tmp_path) as hub:
        info = hub.client().model_info("modelyard/tiny-shakespeare-GGUF")
    assert info.pipeline_tag == "text-generation"


def test_a_closed_hub_knows_its_members_alone(tmp_path: Path, cache: Path) -> None:
    """Every address and method is refused without the token; the real client downloads with it."""
    repo = "modelyard/tiny-shakespeare-GGUF"
    with running_hub(BUNDLED, tmp_path, MODELYARD_DEMO_HUB_TOKEN="of-this-run") as hub:
        for path in ("/", "/api/models", f"/api/models/{repo}", f"/{repo}/resolve/main/README.md"):
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                for headers in ({}, {"Authorization": "Bearer wrong"}):
                    asked = httpx2.request(method, hub.url + path, headers=headers, timeout=60)
                    assert asked.status_code == 401
        page = {"Authorization": "Bearer of-this-run", "Origin": "http://localhost:3000"}
        assert fetch(f"{hub.url}/api/models", headers=page).status_code == 401
        path = hf_hub_download(
            repo, "README.md", endpoint=hub.url, cache_dir=cache, token="of-this-run"
        )
        assert Path(path).read_text().startswith("---")
