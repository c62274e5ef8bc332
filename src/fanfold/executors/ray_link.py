"""The Ray executor's side of its bridge: a process, the channel to it, and when it was last heard of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

from fanfold.effects import Effects
from fanfold.executors.ray_frames import Header, frame, split
from fanfold.executors.ray_placing import RayPlace
from fanfold.ports.clock import Clock

BRIDGE = (sys.executable, "-P", "-m", "fanfold.executors.ray_bridge")
RECEIVE_BYTES = 1 << 20
AGAIN_S = 2.0
SILENT_S, STARTS_S = 6.0, 90.0
"""A bridge that says nothing for so long stands still, and the next one takes over before its workers miss their
server; its first word takes longer."""

TAKES_S = 1.0
_KEPT = ("PATH", "LANG", "HOME", "TMPDIR", "SSL_CERT_FILE")
"""What the bridge knows of the server's environment besides Ray's own variables."""


class Link:
    """One bridge at a time. All but `say` to be called by one thread."""

    def __init__(self, effects: Effects, clock: Clock, place: RayPlace) -> None:
        self._effects = effects
        self._clock = clock
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket
        self._buffer = b""
        self._again_at = self._late_at = 0.0
        self.bridges = 0

    def is_open(self) -> bool:
        """Whether there is a bridge."""
        return self._process is not None

    def is_due(self) -> bool:
        """Whether there is none, and one is to be started."""
        return self._process is None and self._clock.monotonic() >= self._again_at

    def is_late(self) -> bool:
        """Whether there is one that stands still."""
        return self._process is not None and self._clock.monotonic() > self._late_at

    def open(self) -> None:
        """Start one more."""
        self.bridges += 1
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(TAKES_S)
        config = json.dumps({"address": self._place.address, "namespace": self._place.namespace})
        kept = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith("RAY_")}
        environment = kept | {"RAY_AUTH_MODE": "token" if self._place.auth == "token" else "disabled"}
        environment |= {"RAY_AUTH_TOKEN_PATH": self._place.token_file} if self._place.token_file else {}
        command = [*BRIDGE, str(theirs.fileno()), config]
        self._process = self._effects.spawn(command, environment, None, None, keep=(theirs.fileno(),))
        theirs.close()
        self._buffer, self._late_at = b"", self._clock.monotonic() + STARTS_S

    def close(self) -> None:
        """End it, if there is one; the next one waits a moment, unless this one stood still."""
        if self._process is not None:
            self._channel.close()
            self._process.kill()
            self._process.wait()
            self._process = None
            now = self._clock.monotonic()
            self._again_at = now if now > self._late_at else now + AGAIN_S

    def fileno(self) -> int:
        """What to watch for its words."""
        return self._channel.fileno()

    def say(self, header: Header, body: bytes = b"") -> None:
        """Tell it something; nothing happens where it is gone, which is read from the same channel. One that does not
        take what it is told stands still, and has half a message."""
        if self._process is not None:
            try:
                self._channel.sendall(frame(header, body))
            except TimeoutError:
                self._late_at = 0.0
            except (BrokenPipeError, ConnectionResetError):
                return

    def hear(self) -> list[tuple[Header, bytes]] | None:
        """What it says; None where it is gone."""
        try:
            data = self._channel.recv(RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        self._late_at = self._clock.monotonic() + SILENT_S
        found, self._buffer = split(self._buffer + data)
        return found
