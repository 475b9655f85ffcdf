"""Whatever is said in the Hub's name has a type, a bound and a form, or nothing of it is taken."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.flows.errors import HubAnswerInvalid, ModelRefused
from modelyard.flows.steps.hub.answers import (
    LARGEST_ANSWER,
    LARGEST_FILE,
    LONGEST_PATH,
    MOST_FILES,
    read_answer,
)
from modelyard.flows.steps.hub.hub import HubClient
from modelyard.flows.steps.hub.resolve import resolve
from tests.flows.steps.hub.odd_hub import odd_hub

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
SIBLING: dict[str, Any] = {
    "rfilename": "m-q8_0.gguf",
    "size": 7,
    "blobId": "b" * 40,
    "lfs": {"sha256": "a" * 64, "size": 7, "pointerSize": 130},
}
GOOD: dict[str, Any] = {
    "id": "ada/m",
    "sha": "c" * 40,
    "gated": False,
    "tags": ["gguf"],
    "pipeline_tag": "text-generation",
    "cardData": {"license": "mit"},
    "siblings": [SIBLING],
    "downloads": 3,
}


def changed(path: str, value: Any) -> bytes:
    """The good answer with another value at a path such as siblings.0.size."""
    answer: Any = copy.deepcopy(GOOD)
    place = answer
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    place[last] = value
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("siblings.0.lfs.sha256", "../../../etc/cron.d/x"),
        ("siblings.0.lfs.sha256", "A" * 64),
        ("siblings.0.lfs.sha256", "a" * 64 + "\n"),
        ("siblings.0.lfs.sha256", None),
        ("siblings.0.blobId", "../x"),
        ("siblings.0.blobId", 5),
        ("siblings.0.size", -5),
        ("siblings.0.size", 10),
        ("siblings.0.size", LARGEST_FILE + 1),
        ("siblings.0.size", "7"),
        ("siblings.0.size", None),
        ("siblings.0.lfs.size", -1),
        ("siblings.0.rfilename", 3),
        ("siblings", {}),
        ("siblings", [SIBLING] * (MOST_FILES + 1)),
        ("sha", "main"),
        ("sha", "c" * 39),
        ("id", "../x"),
        ("id", "a/b/c"),
        ("id", f"ada/{CLIPBOARD}"),
        ("gated", {}),
        ("tags", "gguf"),
    ],
)
def test_a_field_that_breaks_its_form_is_named_and_nothing_is_taken(path: str, value: Any) -> None:
    """Hashes, sizes, names: all that something is later named, fetched or bounded by."""
    with pytest.raises(HubAnswerInvalid) as caught:
        read_answer(changed(path, value), "ada/m")
    assert caught.value.message.isprintable()


def test_a_file_in_git_without_a_blob_id_is_refused() -> None:
    """Nothing would say whether it arrived as it is."""
    bare = {"rfilename": "README.md", "size": 3}
    with pytest.raises(HubAnswerInvalid, match=r"README\.md"):
        read_answer(changed("siblings.0", bare), "ada/m")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "a\nb", "a\u202egguf", "x" * (LONGEST_PATH + 1), "."],
)
def test_a_path_that_is_no_plain_name_inside_the_repository_is_refused(path: str) -> None:
    """Absolute, upwards, unprintable, longer than the catalog's column."""
    with pytest.raises(ModelRefused):
        read_answer(changed("siblings.0.rfilename", path), "ada/m")


def test_a_longer_list_than_ten_thousand_files_is_read_whole() -> None:
    """The last file of a large repository is a file too."""
    many = [SIBLING | {"rfilename": f"{n}.gguf"} for n in range(12_000)]
    assert len(read_answer(changed("siblings", many), "ada/m").files) == 12_000


@pytest.mark.parametrize("licence", ["x" * 5_000_000, ["mit" * 100] * 1000, {"a": 1}, 3, None])
def test_a_licence_is_short(licence: Any) -> None:
    """It stands in every list."""
    found = read_answer(changed("cardData.license", licence), "ada/m").licence
    assert found is None or len(found) <= 200


def test_words_that_are_shown_carry_no_commands_to_the_terminal() -> None:
    """OSC 52 writes to the clipboard of whoever lists models."""
    card = {"license": "other", "license_name": f"mit{CLIPBOARD}\x1b[31m"}
    answer = GOOD | {"cardData": card, "tags": [f"a{CLIPBOARD}"], "pipeline_tag": CLIPBOARD}
    snapshot = read_answer(json.dumps(answer).encode(), "ada/m")
    assert (snapshot.licence, snapshot.tags, snapshot.pipeline_tag) == ("mit", ("a",), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
PATHS = ["id", "sha", "siblings", "siblings.0", "siblings.0.rfilename", "siblings.0.size",
         "siblings.0.blobId", "siblings.0.lfs", "siblings.0.lfs.sha256", "siblings.0.lfs.size",
         "gated", "tags", "pipeline_tag", "cardData", "cardData.license"]  # fmt: skip


@given(path=st.sampled_from(PATHS), value=JSON)
def test_any_value_anywhere_is_an_answer_of_known_form_or_an_error_for_people(
    path: str, value: Any
) -> None:
    """No traceback, and nothing in the snapshot that a name, a list or a terminal could suffer."""
    try:
        snapshot = read_answer(changed(path, value), "ada/m")
    except (HubAnswerInvalid, ModelRefused):
        return
    words = [snapshot.repo, snapshot.licence or "", snapshot.pipeline_tag or "", *snapshot.tags]
    assert all(word.isprintable() and len(word) <= 200 for word in words)
    for file in snapshot.files:
        assert (file.sha256 or "a" * 64).isalnum()
        assert (file.git_oid or "b" * 40).isalnum()
        assert 0 <= file.size <= LARGEST_FILE


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_an_error_for_people(body: bytes) -> None:
    with pytest.raises(HubAnswerInvalid):
        read_answer(body, "ada/m")


def test_an_answer_without_end_is_cut_off() -> None:
    """Before it takes the memory of the machine."""

    def endless(write: Callable[[bytes], object]) -> None:
        for _ in range(LARGEST_ANSWER // (1 << 20) + 8):
            write(b" " * (1 << 20))

    with (
        odd_hub(lambda _: (200, {"Connection": "close"}, endless)) as hub,
        pytest.raises(HubAnswerInvalid, match="more than"),
    ):
        resolve(HubClient(hub.url, attempts=1), "ada/m", "main")
