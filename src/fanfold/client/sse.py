"""Reading server-sent events, piece by piece; no I/O. The format is the WHATWG HTML standard's `text/event-stream`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its kind, its JSON, and the id that a reader who comes back sends."""

    kind: str
    data: Any
    id: str


class EventReader:
    """Takes bytes as they come, gives events as they are whole. `last_id` is the place to come back to."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._rest = b""
        self._kind = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end in this piece."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _take(self, line: str) -> ServerEvent | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            return self._ended()
        if name == "id":
            self.last_id = value
        elif name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        return None

    def _ended(self) -> ServerEvent | None:
        kind, data = self._kind, self._data
        self._kind, self._data = "", []
        return ServerEvent(kind or "message", json.loads("\n".join(data)), self.last_id) if data else None
