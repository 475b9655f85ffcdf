"""What the Hub says of a repository, with a type, a bound and a form for each field.

A field that breaks its form ends the ingest: nothing is named, fetched or shown by it. Words that
are only shown (licence, tags) are shortened and made plain instead.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, cast

import msgspec

from modelyard.flows.errors import HubAnswerInvalid, ModelRefused
from modelyard.flows.steps.hub.hub import HubSnapshot, RemoteFile
from modelyard.registry.catalog.plain_text import plain_line

LARGEST_ANSWER = 64 << 20
"""Bytes: a repository of 100,000 files is described in about 30 MB."""

MOST_FILES = 100_000
LONGEST_PATH = 500
LARGEST_FILE = 1 << 44
_LONGEST_WORD = 100
_LONGEST_LICENCE = 200
_MOST_TAGS = 200

Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
GitOid = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")]
Size = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_FILE)]


class LfsPointer(msgspec.Struct, frozen=True):
    """Where a file is stored outside git."""

    sha256: Sha256
    size: Size


class Sibling(msgspec.Struct, frozen=True):
    """One file; its git id is that of its LFS pointer, if it has one."""

    rfilename: Annotated[str, msgspec.Meta(min_length=1)]
    size: Size
    blobId: GitOid | None = None  # noqa: N815 - the Hub's name
    lfs: LfsPointer | None = None


class ModelAnswer(msgspec.Struct, frozen=True):
    """A model at one revision, as `/api/models/…?blobs=true` describes it."""

    id: Annotated[str, msgspec.Meta(max_length=200)]
    sha: GitOid
    siblings: Annotated[list[Sibling], msgspec.Meta(max_length=MOST_FILES)] = []
    gated: bool | str = False
    tags: list[Any] | None = None
    pipeline_tag: Any = None
    cardData: Any = None  # noqa: N815 - the Hub's name


def read_answer(body: bytes, repo: str) -> HubSnapshot:
    """The snapshot that the Hub describes; raises HubAnswerInvalid or ModelRefused."""
    try:
        answer = msgspec.json.decode(body, type=ModelAnswer)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise invalid(repo, plain_line(str(error), 300)) from None
    if not same_repository(answer.id):
        raise invalid(repo, "the id is not the name of a repository - at `$.id`")
    card: Any = answer.cardData if isinstance(answer.cardData, dict) else {}
    return HubSnapshot(
        repo=answer.id,
        commit=answer.sha,
        files=tuple(_file(sibling, repo) for sibling in answer.siblings),
        gated=bool(answer.gated),
        licence=licence(card.get("license"), card.get("license_name")),
        pipeline_tag=_word(answer.pipeline_tag),
        tags=_tags(answer.tags or []),
    )


_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_ID = re.compile(rf"{_PART}(/{_PART})?")


def same_repository(name: str) -> bool:
    """Whether a name has the form of a repository's, as the Hub lets them be called."""
    return _ID.fullmatch(name) is not None and ".." not in name


def invalid(repo: str, what: str) -> HubAnswerInvalid:
    return HubAnswerInvalid(
        f"What the Hub says of {repo} cannot be right: {what}.",
        fix="Nothing of it was taken. If HF_ENDPOINT names a mirror, try without it.",
    )


def _file(sibling: Sibling, repo: str) -> RemoteFile:
    """A file's entry; raises ModelRefused if its path leads out of its folder."""
    name = sibling.rfilename
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or not path.parts
        or ".." in path.parts
        or not name.isprintable()
        or len(name) > LONGEST_PATH
    ):
        raise ModelRefused(f"The repository has a file with the path {name[:LONGEST_PATH]!r}.")
    lfs = sibling.lfs
    if lfs is None:
        if sibling.blobId is None:
            raise invalid(repo, f"{name} has neither a sha256 nor a blob id")
        return RemoteFile(name, sibling.size, sibling.blobId)
    if lfs.size != sibling.size:
        raise invalid(repo, f"{name} has the sizes {sibling.size:,} and {lfs.size:,}")
    return RemoteFile(name, sibling.size, sibling.blobId or "", lfs.sha256)


def licence(name: object, custom: object) -> str | None:
    """The card's licence in at most 200 characters; for `other`, the name its owner gave it."""
    chosen = custom if name == "other" and custom else name
    if isinstance(chosen, list):
        words = [_word(item) for item in cast("list[object]", chosen)[:20]]
        return ", ".join(word for word in words if word)[:_LONGEST_LICENCE] or None
    return plain_line(chosen, _LONGEST_LICENCE) or None if isinstance(chosen, str) else None


def _word(value: object) -> str | None:
    return plain_line(value, _LONGEST_WORD) or None if isinstance(value, str) else None


def _tags(tags: list[Any]) -> tuple[str, ...]:
    words = (_word(tag) for tag in tags[:_MOST_TAGS])
    return tuple(word for word in words if word)
