"""POST /v1/files: reads a multipart form piece by piece, so that its file is nowhere as a whole."""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from modelyard.serving.errors import InvalidRequest

MOST_FIELDS = 16
MOST_OF_A_FIELD = 1024
"""Bytes; the longest field that is read is a purpose."""

FIX = "Send multipart/form-data with a `file` and its `purpose`."


@dataclass(slots=True)
class UploadForm:
    """The form so far: its fields, the name of its file, and the bytes of it not yet taken.

    Raises InvalidRequest for what is no such form, or has more parts than it may.
    """

    content_type: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    filename: str | None = None
    _pieces: list[bytes] = field(default_factory=list[bytes])
    _name: str = ""
    _is_file: bool = False
    _text: bytearray = field(default_factory=bytearray)
    _header: tuple[bytes, bytes] = (b"", b"")
    _disposition: bytes = b""
    _is_complete: bool = False
    _parser: MultipartParser = field(init=False)

    def __post_init__(self) -> None:
        kind, options = parse_options_header(self.content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest("The body must be a form with a file.", param="file", fix=FIX)
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _broken() from None

    def feed(self, data: bytes) -> bytes:
        """Read on; returns the bytes of the file that were in it."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise _broken() from None
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        return pieces

    def end(self) -> None:
        """The body has ended: it must have been whole, and with a file."""
        if not self._is_complete:
            raise _broken()
        if self.filename is None:
            raise InvalidRequest("'file' is missing.", param="file", fix=FIX)

    def _begin(self) -> None:
        self._disposition = b""
        self._is_file = False
        self._text.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name + data[start:end], value)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name, value + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            if self.filename is not None:
                raise InvalidRequest("A form may have one file.", param="file", fix=FIX)
            self._is_file = True
            self.filename = options.get(b"filename", b"").decode("utf-8", "replace")
        elif len(self.fields) >= MOST_FIELDS:
            raise InvalidRequest(f"A form may have at most {MOST_FIELDS} fields.", fix=FIX)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._pieces.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MOST_OF_A_FIELD:
            name = self._name[:100]
            raise InvalidRequest(
                f"'{name}' has more than {MOST_OF_A_FIELD} bytes.", param=name, fix=FIX
            )

    def _end_part(self) -> None:
        if not self._is_file:
            self.fields[self._name[:100]] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_complete = True


def _broken() -> InvalidRequest:
    return InvalidRequest("The form in the body is broken or not whole.", param="file", fix=FIX)
