"""Picks the file out of a multipart body as it comes in, a piece at a time; nothing is kept."""

from __future__ import annotations

from email.message import Message

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from fanfold.errors import BadInput, Problem


class FilePart:
    """The first part that has a file name; other parts are passed over."""

    def __init__(self, boundary: bytes) -> None:
        self.name = ""
        self._field = b""
        self._disposition = b""
        self._state = "before"
        self._found: list[bytes] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> bytes:
        """The file's bytes in a piece of the body; BadInput where it is not multipart."""
        try:
            self._parser.write(data)
        except MultipartParseError as err:
            raise BadInput(f"the body is not multipart: {str(err)[:200]}") from err
        found = b"".join(self._found)
        self._found.clear()
        return found

    def check_whole(self) -> None:
        """The body has ended: BadInput where the file in it has not, or there was none."""
        if self._state == "before":
            raise BadInput("the request is not right", [Problem("body", "has no part with a file name")])
        if not self._ended:
            raise BadInput("the upload was cut short; send it again")

    def _begin(self) -> None:
        self._field = self._disposition = b""
        self._name_of_header = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition += data[start:end]

    def _header_end(self) -> None:
        self._field = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        if self._state == "before" and b"filename" in options:
            self._state = "inside"
            self.name = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._state == "inside":
            self._found.append(data[start:end])

    def _part_end(self) -> None:
        if self._state == "inside":
            self._state = "after"

    def _end(self) -> None:
        self._ended = True


def file_part_of(request: Request) -> FilePart | None:
    """A reader for a multipart request; None for a raw body."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    if not options.get(b"boundary"):
        raise BadInput("the request is not right", [Problem("Content-Type", "multipart without a boundary")])
    return FilePart(options[b"boundary"])


def file_name_of(request: Request) -> str:
    """The file's name by the request's `Content-Disposition`; "" where it has none."""
    header = request.headers.get("content-disposition", "")
    if not header:
        return ""
    message = Message()
    message["Content-Disposition"] = header
    name = message.get_filename("")
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name
