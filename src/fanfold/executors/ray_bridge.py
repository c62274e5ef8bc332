"""`python -m fanfold.executors.ray_bridge <socket> <configuration as JSON>`: the process that speaks with Ray.

Ray's driver is a process of its own, so that a cluster that is away, whose driver Ray ends, does not end the server.
It starts one actor a worker (`fanfold.node`), hands messages on and tells what it hears; it decides nothing. Actors are
detached: they outlive it for the seconds in which the next one may find them again by their names. A worker answers the
bridge that greeted it last, and no other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError

from fanfold.executors.ray_frames import HEAD_BYTES, Header, frame, in_words, sizes
from fanfold.executors.ray_seat import take_seat
from fanfold.registry import load

NODES_EVERY_S = BEAT_S = 1.0
FOUND_WITHIN_S = 4.0
"""A worker of an earlier server that does not answer for so long was never begun, or stands still."""

HEAR_FOR_S = 0.5
"""A worker that has nothing to say answers after so long: its heartbeat."""

WORKER = {"worker": "fanfold.node:Worker"}
CALLS_AT_ONCE = 4
READY_BYTES = 8

log = logging.getLogger(__name__)


class Bridge:
    """Serves one server over `channel` until the server is gone."""

    def __init__(self, channel: socket.socket, config: dict[str, Any]) -> None:
        self._channel = channel
        self._me = secrets.token_hex(8)
        self._config = config
        self._actors: dict[str, Any] = {}
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._worker = ray.remote(load(WORKER, "worker", "part of a node"))

    async def serve(self) -> None:
        """Connect and hand on messages."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        self._do(self._beat())
        try:
            while True:
                header_bytes, body_bytes = sizes(await reader.readexactly(HEAD_BYTES))
                header = json.loads(await reader.readexactly(header_bytes))
                self._obey(header, await reader.readexactly(body_bytes))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self._writer.close()

    def _say(self, header: Header, body: bytes = b"") -> None:
        self._writer.write(frame(header, body))

    def _do(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(errand)
        self._errands.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """An errand has ended. With an error that nothing foresees so does the bridge, and another one begins."""
        self._errands.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            self._say({"is": "broken", "why": in_words(err)})
            self._writer.close()

    async def _beat(self) -> None:
        """Say again and again that this process works, whatever becomes of the cluster."""
        while True:
            self._say({"is": "alive"})
            await asyncio.sleep(BEAT_S)

    def _obey(self, header: Header, body: bytes) -> None:
        name = header["worker"]
        match header["do"]:
            case "survey":
                self._do(self._survey())
            case "hire":
                self._attend(name, self._hire(name, header))
            case "find":
                self._attend(name, self._find(name))
            case "tell":
                self._do(self._tell(name, body))
            case "dismiss":
                self._do(self._dismiss(name, header["within_s"]))
            case "kill":
                self._do(self._kill(name, "it was ended"))

    def _attend(self, name: str, errand: Coroutine[Any, Any, None]) -> None:
        """Have a worker listened to; whatever goes wrong with that, it is lost."""
        task = self._listening[name] = asyncio.ensure_future(errand)
        task.add_done_callback(partial(self._attended, name))

    def _attended(self, name: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (err := task.exception()) is not None:
            self._lose(name, err)

    async def _survey(self) -> None:
        """Tell which workers of an earlier bridge are there, and from then on which nodes."""
        self._say({"is": "found", "workers": await asyncio.to_thread(ray.util.list_named_actors)})
        await self._tell_nodes()

    async def _tell_nodes(self) -> None:
        """Tell again and again which nodes there are; a head that does not answer is waited for, since workers go on
        without it."""
        while True:
            try:
                nodes = await asyncio.to_thread(ray.nodes)
            except Exception as err:  # noqa: BLE001 - whatever Ray says of its head; the next look tells more
                log.warning("the nodes of the Ray cluster cannot be seen: %s", in_words(err))
            else:
                self._say({"is": "nodes", "nodes": [_told_of(node) for node in nodes if node["Alive"]]})
            await asyncio.sleep(NODES_EVERY_S)

    async def _hire(self, name: str, header: Header) -> None:
        actor = self._worker.options(
            name=name,
            lifetime="detached",
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy="SPREAD",
            **header["options"],
        )
        self._actors[name] = await asyncio.to_thread(actor.remote, name, header["config"])
        await self._listen(name)

    async def _find(self, name: str) -> None:
        self._actors[name] = await asyncio.to_thread(ray.get_actor, name)
        await self._listen(name, FOUND_WITHIN_S)

    async def _listen(self, name: str, within_s: float | None = None) -> None:
        """Hear what a worker says as long as it lives; what was heard is acknowledged by the next call. Its first word
        comes within so many seconds, or TimeoutError is raised."""
        actor, acknowledged = self._actors[name], 0
        hello = await asyncio.wait_for(_result(actor.hello.remote(self._me)), within_s)
        self._say({"is": "ready", "worker": name}, hello)
        while True:
            said: bytes = await actor.hear.remote(self._me, acknowledged, HEAR_FOR_S)
            if not said:
                self._leave(name)
                return
            acknowledged = int.from_bytes(said[:READY_BYTES], "big")
            self._say({"is": "heard", "worker": name}, said[READY_BYTES:])

    async def _tell(self, name: str, body: bytes) -> None:
        try:
            if not await self._actors[name].tell.remote(self._me, body):
                self._leave(name)
        except (RayError, KeyError) as err:
            self._lose(name, err)

    async def _dismiss(self, name: str, within_s: float) -> None:
        """Let a worker end what it does, hear its last words, and end it."""
        self._stop_listening(name)
        try:
            said = await asyncio.wait_for(_result(self._actors[name].close.remote(self._me)), within_s)
        except (RayError, KeyError, TimeoutError):
            await self._kill(name, "it did not end when told to")
            return
        if not said:
            self._leave(name)
            return
        self._say({"is": "heard", "worker": name}, said[READY_BYTES:])
        await self._kill(name, "it was dismissed")

    def _leave(self, name: str) -> None:
        """A worker obeys another server now: it is not this one's to end."""
        self._stop_listening(name)
        if self._actors.pop(name, None) is not None:
            self._say({"is": "lost", "worker": name, "why": "another server has taken it over"})

    async def _kill(self, name: str, why: str) -> None:
        self._stop_listening(name)
        actor = self._actors.pop(name, None)
        if actor is not None:
            try:
                await asyncio.to_thread(ray.kill, actor)
            except RayError as err:  # it ends by itself, once it misses its server
                why = f"{why}, and could not be killed: {in_words(err)}"
        self._say({"is": "lost", "worker": name, "why": why})

    def _lose(self, name: str, err: BaseException) -> None:
        """A worker that cannot be spoken with is given up; should it live, it is not to go on."""
        if name in self._actors:
            self._do(self._kill(name, in_words(err)))
        elif self._listening.pop(name, None) is not None:
            self._say({"is": "lost", "worker": name, "why": in_words(err)})

    def _stop_listening(self, name: str) -> None:
        task = self._listening.pop(name, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()


def _told_of(node: dict[str, Any]) -> dict[str, Any]:
    return {"id": node["NodeID"], "resources": node["Resources"], "labels": node.get("Labels") or {}}


async def _result(reference: Any) -> bytes:
    said: bytes = await reference
    return said


def serve(arguments: list[str]) -> None:
    """Connect to the cluster and be its server's bridge; says what is wrong where that cannot be."""
    channel, config = socket.socket(fileno=int(arguments[0])), json.loads(arguments[1])
    channel.set_inheritable(False)
    try:
        seat = take_seat(config["address"])
        ray.init(
            address=config["address"],
            namespace=config["namespace"],
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
            _temp_dir=seat,
        )
    except Exception as err:  # noqa: BLE001 - whatever Ray says is told to the server, in words
        channel.sendall(frame({"is": "broken", "why": in_words(err)}))
        os._exit(1)
    asyncio.run(Bridge(channel, config).serve())
    os._exit(0)  # Ray's own way to leave takes seconds


if __name__ == "__main__":
    serve(sys.argv[1:])
