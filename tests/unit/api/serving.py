"""The application on a real socket, with the real services of files, logs and events behind it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from fanfold.api.app import make_app
from fanfold.api.context import Services
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics
from fanfold.events.hub import Hub
from fanfold.jobs.models import Job
from fanfold.ports.signals import Signal
from fanfold.services.access import RateLimits
from fanfold.services.jobs import JobService
from fanfold.services.logs import LogService
from fanfold.services.results import ResultService
from fanfold.services.uploads import UploadService
from fanfold.signals import ThreadSignal
from tests.people import People, people_of_a_server
from tests.shelf import Shelf

MOST_BYTES = 3_000_000


@dataclass
class Served:
    """One server, its shelf, and a client that is signed in as the administrator of the first account."""

    url: str
    shelf: Shelf
    people: People
    results: ResultService
    uploads: UploadService
    client: httpx.Client

    @property
    def account_id(self) -> str:
        return self.people.admin.account_id

    def drafted(self, job_id: str = "job", **more: Any) -> Job:
        return self.shelf.drafted(job_id, account_id=self.account_id, **more)


@dataclass
class Socket:
    """The application on a free port of loopback; a test puts its services behind it."""

    app: FastAPI
    url: str


@contextlib.contextmanager
def listening() -> Iterator[Socket]:
    """An application with nothing behind it yet."""
    absent: Any = None
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(absent, Metrics(absent, absent, absent, absent), HostGuard(frozenset(), frozenset()))
    with _running(uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off")), listener):
        yield Socket(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
    listener.close()


@contextlib.contextmanager
def served(door: Socket, folder: Path) -> Iterator[Served]:
    """A server of the test's own behind an application's socket."""
    with people_of_a_server() as people:
        shelf, hub, wake = Shelf(folder, clock=people.clock), Hub(), ThreadSignal()
        shelf.store.database.listen(hub.notify)
        asked = _asked(shelf, people, hub, wake, door.url)
        door.app.state.services = Services(**{item.name: asked.get(item.name) for item in fields(Services)})  # type: ignore[arg-type]
        headers = {"Authorization": people.token(people.first_key)}
        with httpx.Client(base_url=door.url, headers=headers, timeout=10) as client:
            yield Served(door.url, shelf, people, asked["results"], asked["uploads"], client)
        shelf.store.close()


def _asked(shelf: Shelf, people: People, hub: Hub, wake: Signal, url: str) -> dict[str, Any]:
    absent: Any = None
    links = (shelf.clock, shelf.signer, url)
    return {
        "access": people.access,
        "limits": RateLimits(people.clock, 1000.0),
        "jobs": JobService(shelf.store, absent, shelf.clock, wake),
        "results": ResultService(shelf.store, shelf.workspace, *links),
        "logs": LogService(shelf.store, shelf.workspace),
        "uploads": UploadService(shelf.uploads, shelf.store, shelf.workspace, *links, max_bytes=MOST_BYTES),
        "store": shelf.store,
        "clock": shelf.clock,
        "hub": hub,
        "public_url": url,
    }


@contextlib.contextmanager
def _running(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
