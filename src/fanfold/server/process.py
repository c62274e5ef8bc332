"""The server process: API, scheduler and runners; signals; drain.

TERM or Ctrl-C: nothing more is started, running tasks get `drain_timeout_s` to end while the API still answers, the
rest is given back, and the process ends. A second signal ends it at once; nothing is lost either way.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable

import structlog
import uvicorn

from fanfold.server.console import PREFIX
from fanfold.server.parts import ServerParts, wire_server
from fanfold.server.storage import check_storage
from fanfold.settings import Settings

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.05
TURN_S = 0.0005
"""A thread that has the interpreter gives it up after so long where another wants it. With Python's own 5 ms a request
waits so long, several times, while the scheduler computes."""

LAST_ANSWERS_S = 3
"""What is answered when the server ends has so long; an event stream or an open page would go on for ever."""


def serve(
    settings: Settings, ready: Callable[[str, str | None, str], None], masked: Callable[[Callable[[str], str]], None]
) -> None:
    """Serve until told to stop; `ready` is called once it answers and heeds signals, with the URL, until it was called
    once, the first API key, and the link that signs a browser in once ("" where no key is valid); `masked` with what
    takes the values of secrets out of log lines."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the values of secrets
    sys.setswitchinterval(TURN_S)
    listener = socket.create_server((settings.host, settings.port), backlog=1024)
    # Connections inherit it. asyncio asks for it only where the socket names its protocol, which this one does not; an
    # answer then waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address = listener.getsockname()
    url = settings.public_url.rstrip("/") or f"http://{_named(settings.host)}:{address[1]}"
    parts = wire_server(settings, url)
    masked(parts.mask)
    key = parts.first_start.key()

    def tell() -> None:
        secret = parts.sign_in_link()
        ready(url, key, f"{url}{PREFIX}/enter/{secret}" if secret else "")
        parts.first_start.told()

    config = uvicorn.Config(
        parts.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=65,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
    )
    server = _Server(config, parts, settings.drain_timeout_s, tell)
    try:
        check_storage(settings, parts.core.workspace.blobs)
        parts.core.lead.start()
        parts.core.thread.start()
        if parts.core.unisolated:
            log.warning("programs run without a sandbox", why=parts.core.unisolated)
        server.run(sockets=[listener])
    finally:
        parts.watch.close()
        parts.courier.close()
        parts.core.close()
        listener.close()


def _named(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - what a person typed, not what we bind to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """uvicorn, ending only when running tasks had their time."""

    def __init__(self, config: uvicorn.Config, parts: ServerParts, drain_s: float, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._parts = parts
        self._drain_s = drain_s
        self._ready = ready
        self._over = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, after which it answers; its signal handlers are in place before."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: object) -> None:
        """First signal: drain, then exit. Second: exit."""
        scheduler = self._parts.core.scheduler
        if scheduler.draining:
            self._over.set()
            return
        log.info("stopping: running tasks may end", signal=signal.Signals(sig).name, seconds=self._drain_s)
        scheduler.drain()
        self._parts.core.lead.stand_down()
        threading.Thread(target=self._leave, name="fanfold-drain", daemon=True).start()

    def _leave(self) -> None:
        scheduler, clock = self._parts.core.scheduler, self._parts.core.clock
        until = clock.monotonic() + self._drain_s
        while not scheduler.idle() and clock.monotonic() < until and not self._over.wait(LOOK_EVERY_S):
            continue
        self._parts.app.state.services.hub.close()
        self.should_exit = True
