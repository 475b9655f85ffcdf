"""Reads a batch's file line by line and checks each; what is wrong is told with its line."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import IO

import msgspec

from modelyard.registry.batches.batch import LineError
from modelyard.registry.errors import ModelyardError
from modelyard.registry.jobs.job import NewJob
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.jobs.intake.acting import Acting
from modelyard.serving.jobs.intake.forming import Terms, job_of_body
from modelyard.serving.wire.openai.batches import MOST_LINES, BatchLine
from modelyard.serving.wire.openai.body import MAX_BODY_BYTES

MOST_ERRORS = 100
"""Errors that are told of one file; with so many nothing more is read."""

LONGEST_LINE = MAX_BODY_BYTES + 8192
"""Bytes of a line: the largest body, and what is around it."""

MOST_OF_A_MESSAGE = 1000
_CUTS = (128, 512, 2048, 8192)
_FIELD = re.compile(r"`\$\.(?P<field>[^`]+)`")
_read_line = msgspec.json.Decoder(BatchLine).decode


class _Shared(msgspec.Struct, frozen=True):
    """The parts of a body that lines may have in common, and what a batch cannot do."""

    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    stream: object = None


_read_shared = msgspec.json.Decoder(_Shared).decode


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A line that holds: where it is in the file, and what its job needs besides its body.

    `prefix` are hashes of longer and longer beginnings of its prompt: in their order, lines whose
    prompts begin alike are next to one another.
    """

    number: int
    offset: int
    size: int
    prefix: tuple[bytes, ...]
    prompt_tokens: int
    output_tokens: int
    digest: str

    def job(self, file: IO[bytes], like: NewJob, job_id: str) -> NewJob:
        """The job of this line; `like` has what all of the batch share."""
        file.seek(self.offset)
        line = _read_line(file.read(self.size))
        return replace(
            like,
            id=job_id,
            body=bytes(line.body),
            digest=self.digest,
            prompt_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            place=self.number,
            custom_id=line.custom_id,
        )


@dataclass(slots=True)
class FileCheck:
    """How far a file has been checked: the lines that hold, and what is wrong with others.

    `first` is the job of the first line that holds: all others are like it but for their own part.
    """

    file: IO[bytes]
    endpoint: str
    acting: Acting
    terms: Terms
    lines: list[CheckedLine] = field(default_factory=list[CheckedLine])
    errors: list[LineError] = field(default_factory=list[LineError])
    first: NewJob | None = None
    _number: int = 0
    _offset: int = 0
    _ids: set[bytes] = field(default_factory=set[bytes])

    def read(self, most: int) -> bool:
        """Check up to `most` lines more; False when nothing is left to read."""
        for _ in range(most):
            line = self.file.readline(LONGEST_LINE + 1)
            if not line:
                return self._ended()
            self._number += 1
            if line.strip():
                try:
                    self._check(line)
                except ModelyardError as error:
                    self._tell(error)
            self._offset += len(line)
            if len(line) > LONGEST_LINE or self._is_enough():
                return False
        return True

    def _is_enough(self) -> bool:
        if len(self.lines) > MOST_LINES:
            text = f"The file has more than {MOST_LINES} requests."
            self.errors.append(LineError("too_many_requests", text))
            return True
        return len(self.errors) >= MOST_ERRORS

    def _ended(self) -> bool:
        if not self.lines and not self.errors:
            self.errors.append(LineError("empty_file", "The file has no request in it."))
        return False

    def _check(self, text: bytes) -> None:
        if len(text) > LONGEST_LINE:
            raise InvalidRequest(f"The line has more than {LONGEST_LINE} bytes.")
        line = _read(text)
        job = self._job(line)
        self._check_id(line.custom_id)
        self.first = self.first or job
        if job.model != self.first.model:
            raise MismatchedModel(
                f"'body.model' is '{job.model}', and that of the first line '{self.first.model}': "
                "a batch has one model.",
                param="body.model",
            )
        self.lines.append(
            CheckedLine(
                self._number,
                self._offset,
                len(text),
                _prefix(bytes(line.body)),
                job.prompt_tokens,
                job.output_tokens,
                job.digest,
            )
        )

    def _job(self, line: BatchLine) -> NewJob:
        if line.url != self.endpoint:
            raise MismatchedEndpoint(
                f"'url' is '{line.url[:100]}', and the batch's endpoint '{self.endpoint}'.",
                param="url",
            )
        terms = replace(self.terms, place=self._number, custom_id=line.custom_id)
        return job_of_body(self.endpoint, bytes(line.body), self.acting, terms)

    def _check_id(self, custom_id: str) -> None:
        known = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        if known in self._ids:
            raise DuplicateCustomId(
                f"The custom_id '{custom_id[:100]}' stands on an earlier line as well.",
                param="custom_id",
            )
        self._ids.add(known)

    def _tell(self, error: ModelyardError) -> None:
        param: str | None = getattr(error, "param", None)
        text = str(error)
        if text.startswith("payload"):  # as the routing API names the same
            text = text.replace("payload", "body", 1)
        if param is not None:
            param = re.sub("^payload", "body", param)
        self.errors.append(LineError(error.code, text[:MOST_OF_A_MESSAGE], self._number, param))


class InvalidLine(InvalidRequest):
    """A line is no JSON object with the four fields of a request."""

    code = "invalid_json_line"


class MismatchedEndpoint(InvalidRequest):
    """A line is for another endpoint than its batch."""

    code = "mismatched_endpoint"


class MismatchedModel(InvalidRequest):
    """A line is for another model than the first."""

    code = "mismatched_model"


class DuplicateCustomId(InvalidRequest):
    """Two lines of a file have the same id."""

    code = "duplicate_custom_id"


def _read(text: bytes) -> BatchLine:
    """Raises InvalidLine, which names the field."""
    try:
        line = _read_line(text)
        shared = _read_shared(line.body)
    except msgspec.ValidationError as error:
        at = _FIELD.search(str(error))
        raise InvalidLine(f"{error}.", param=at["field"] if at else None) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidLine(f"The line is not valid JSON: {error}.") from None
    if "\x00" in line.custom_id:
        raise InvalidLine("'custom_id' has a NUL character.", param="custom_id")
    if shared.stream not in (None, False):
        raise InvalidLine("'body.stream' must be left out of a batch.", param="body.stream")
    return line


def _prefix(body: bytes) -> tuple[bytes, ...]:
    shared = _read_shared(body)
    text = bytes(shared.messages) or bytes(shared.prompt) or bytes(shared.input)
    return tuple(hashlib.blake2b(text[:cut], digest_size=8).digest() for cut in _CUTS)
