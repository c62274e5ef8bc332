"""What the Ray executor and its bridge say to each other: a JSON header and a body that the bridge does not read.

To the bridge:   {"do": "hire", "worker", "options", "config"} · {"do": "tell", "worker"} + messages ·
                 {"do": "dismiss", "worker", "within_s"} · {"do": "kill", "worker"}
From the bridge: {"is": "alive"} · {"is": "found", "workers"} · {"is": "nodes", "nodes"} · {"is": "broken", "why"} ·
                 {"is": "ready", "worker"} + who it is · {"is": "heard", "worker"} + what it said ·
                 {"is": "lost", "worker", "why"}
"""

from __future__ import annotations

import json
import struct
from typing import Any

_SIZES = struct.Struct("!II")
HEAD_BYTES = _SIZES.size

Header = dict[str, Any]


def frame(header: Header, body: bytes = b"") -> bytes:
    """A message as it travels."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return _SIZES.pack(len(head), len(body)) + head + body


def sizes(head: bytes) -> tuple[int, int]:
    """Bytes of header and body that follow a message's first HEAD_BYTES."""
    header, body = _SIZES.unpack(head)
    return header, body


def split(buffer: bytes) -> tuple[list[tuple[Header, bytes]], bytes]:
    """The whole messages in a buffer, and what is left of it."""
    found, at = [], 0
    while len(buffer) - at >= HEAD_BYTES:
        header, body = sizes(buffer[at : at + HEAD_BYTES])
        begin, middle, end = at + HEAD_BYTES, at + HEAD_BYTES + header, at + HEAD_BYTES + header + body
        if len(buffer) < end:
            break
        found.append((json.loads(buffer[begin:middle]), buffer[middle:end]))
        at = end
    return found, buffer[at:]
