"""What the Ray executor and its bridge say to each other: a JSON header and a body that the bridge does not read.

To the bridge:   {"do": "survey", "worker": ""} · {"do": "find", "worker"} ·
                 {"do": "hire", "worker", "options", "config"} · {"do": "tell", "worker"} + messages ·
                 {"do": "dismiss", "worker", "within_s"} · {"do": "kill", "worker"}
From the bridge: {"is": "alive"} · {"is": "found", "workers"} · {"is": "nodes", "nodes"} · {"is": "broken", "why"} ·
                 {"is": "ready", "worker"} + who it is · {"is": "heard", "worker"} + what it said ·
                 {"is": "lost", "worker", "why"}
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

_SIZES = struct.Struct("!II")
HEAD_BYTES = _SIZES.size

Header = dict[str, Any]

WORDS = 500
_OWN = re.compile(r"fanfold\.errors\.\w+: ")


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


def in_words(err: BaseException) -> str:
    """What Ray says was wrong, in one line, at most WORDS characters. Of an error in a worker's own code that is what
    stands below the lines of its traceback."""
    said = str(err)
    _, in_code, below = said.rpartition('\n  File "')
    if not in_code:
        return f"{type(err).__name__}: {_one_line(said)}"
    return _OWN.sub(
        "", _one_line("\n".join(line for line in below.split("\n")[1:] if not line.startswith(" "))), count=1
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:WORDS]
