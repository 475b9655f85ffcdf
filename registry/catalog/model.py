"""Types shared across Modelyard: models, versions, files, adapters and references to them."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.registry.errors import InvalidName

_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NUMBER = re.compile(r"[0-9]+")
_ADAPTER = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
MOST_NUMBER = 2**31 - 1
"""The largest version number: the databases' integer columns end here."""

CHAMPION = "champion"
CANDIDATE = "candidate"


class Format(StrEnum):
    """File formats that versions are served from; `mock` answers without a model, for tests."""

    GGUF = "gguf"
    ONNX = "onnx"
    TENSORRT = "tensorrt"
    MOCK = "mock"


class Kind(StrEnum):
    """What a model does with text: generate more, or return vectors, scores or labels."""

    GENERATE = "generate"
    EMBED = "embed"
    RERANK = "rerank"
    CLASSIFY = "classify"
    TOKEN_CLASSIFY = "token_classify"  # noqa: S105  a kind, no password

    @property
    def endpoint(self) -> str:
        """The gateway's path for models of this kind."""
        return _ENDPOINTS.get(self, "/v1/classify")


_ENDPOINTS = {
    Kind.GENERATE: "/v1/chat/completions",
    Kind.EMBED: "/v1/embeddings",
    Kind.RERANK: "/v1/rerank",
}


class Visibility(StrEnum):
    """Who may see a model: everybody, or its owner and admins."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model reference: `model`, `model@alias` or `model@number`; `+adapter` may follow."""

    name: str
    alias: str | None = None
    number: int | None = None
    adapter: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelRef":
        """Parse a reference; raises InvalidName, which states the expected form."""
        base, plus, adapter = text.partition("+")
        name, at, rest = base.partition("@")
        is_number = _NUMBER.fullmatch(rest) is not None
        parts = [(True, _MODEL, name), (bool(plus), _ADAPTER, adapter)]
        parts.append((bool(at) and not is_number, _ALIAS, rest))
        if len(text) > 200 or any(there and not form.fullmatch(p) for there, form, p in parts):
            raise InvalidName(
                f"'{text[:200]}' is not the name of a model.",
                fix="Write model, model@alias or model@version, such as owner/name@champion, and "
                "+adapter behind it.",
            )
        if is_number:
            return cls(name, number=_number(rest, name), adapter=adapter or None)
        return cls(name, alias=rest or None, adapter=adapter or None)

    @classmethod
    def parse_promoted(cls, text: str) -> "ModelRef":
        """Parse what a promotion names: `model` alone means its candidate; raises InvalidName."""
        return cls.parse(text if "@" in text else f"{text}@{CANDIDATE}")

    def __str__(self) -> str:
        rest = self.alias if self.number is None else self.number
        version = f"{self.name}@{rest}" if rest is not None else self.name
        return f"{version}+{self.adapter}" if self.adapter else version


def _number(digits: str, model: str) -> int:
    """The version number; raises InvalidName if it is larger than any version can have."""
    number = int(digits)
    if number > MOST_NUMBER:
        raise InvalidName(
            f"{model} has no version {digits[:20]}: the largest there can be is {MOST_NUMBER}.",
            fix=f"Write {model} for its champion; `modelyard models show {model}` lists versions.",
        )
    return number


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a version: its path in the repository, sha256 and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts that validation read from the model's own files; None if the file does not say."""

    format: Format
    architecture: str
    quantization: str | None = None
    context_length: int | None = None
    parameters: int | None = None
    licence: str | None = None
    chat_template: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def kind(self) -> Kind:
        """The kind found at registration; GENERATE if `details` has none."""
        return Kind(self.details.get("kind", Kind.GENERATE))


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter of a model; `file.path` says where it came from."""

    id: str
    name: str
    file: StoredFile
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Preparing:
    """An alias that a version is being prepared for; the preparation is abandoned after `until`."""

    alias: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version: one build of one Hub commit; `files[0]` is its main file."""

    id: str
    model: str
    number: int
    repo: str
    revision: str
    facts: ModelFacts
    files: tuple[StoredFile, ...]
    metrics: dict[str, float]
    aliases: tuple[str, ...]
    visibility: Visibility
    owner_id: str | None
    created_at: datetime
    mlflow_version: str | None = None
    adapters: tuple[Adapter, ...] = ()
    preparing: tuple[Preparing, ...] = ()
    ref: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ref", f"{self.model}@{self.number}")

    def adapter(self, name: str | None) -> Adapter | None:
        return next((a for a in self.adapters if a.name == name), None)

    @property
    def main(self) -> StoredFile:
        return self.files[0]

    @property
    def size(self) -> int:
        return sum(f.size for f in self.files)
