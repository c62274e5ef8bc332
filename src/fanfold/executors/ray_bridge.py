"""`python -m fanfold.executors.ray_bridge <socket> <configuration as JSON>`: the process that speaks with Ray.

Ray's driver is a process of its own, so that a cluster that is away, whose driver Ray ends, does not end the server.
It starts one actor a worker (`fanfold.node`), hands messages on and tells what it hears; it decides nothing. Actors are
detached: they outlive it for the seconds in which the next one may find them again by their names.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import ray
from ray.exceptions import RayError

from fanfold.executors.ray_frames import HEAD_BYTES, Header, frame, sizes
from fanfold.registry import load

NODES_EVERY_S = 1.0
HEAR_FOR_S = 0.5
"""A worker that has nothing to say answers after so long: its heartbeat."""

WORKER = {"worker": "fanfold.node:Worker"}
CALLS_AT_ONCE = 4
READY_BYTES = 8


class Bridge:
    """Serves one server over `channel` until the server is gone."""

    def __init__(self, channel: socket.socket, config: dict[str, Any]) -> None:
        self._channel = channel
        self._config = config
        self._actors: dict[str, Any] = {}
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._worker = ray.remote(load(WORKER, "worker", "part of a node"))

    async def serve(self) -> None:
        """Connect and hand on messages."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        try:
            while True:
                header_bytes, body_bytes = sizes(await reader.readexactly(HEAD_BYTES))
                header = json.loads(await reader.readexactly(header_bytes))
                self._obey(header, await reader.readexactly(body_bytes))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return

    def _say(self, header: Header, body: bytes = b"") -> None:
        self._writer.write(frame(header, body))

    def _do(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _obey(self, header: Header, body: bytes) -> None:
        name = header["worker"]
        match header["do"]:
            case "survey":
                self._do(self._survey())
            case "hire":
                self._listening[name] = asyncio.ensure_future(self._hire(name, header))
            case "find":
                self._listening[name] = asyncio.ensure_future(self._find(name))
            case "tell":
                self._do(self._tell(name, body))
            case "dismiss":
                self._do(self._dismiss(name, header["within_s"]))
            case "kill":
                self._do(self._kill(name, "it was ended"))

    async def _survey(self) -> None:
        """Tell which workers of an earlier bridge are there, and from then on which nodes."""
        self._say({"is": "found", "workers": await asyncio.to_thread(ray.util.list_named_actors)})
        await self._tell_nodes()

    async def _tell_nodes(self) -> None:
        """Tell again and again which nodes there are; a head that does not answer is waited for."""
        while True:
            nodes = await asyncio.to_thread(ray.nodes)
            alive = [
                {"id": node["NodeID"], "resources": node["Resources"], "labels": node.get("Labels") or {}}
                for node in nodes
                if node["Alive"]
            ]
            self._say({"is": "nodes", "nodes": alive})
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
        try:
            self._actors[name] = await asyncio.to_thread(actor.remote, name, header["config"])
            await self._listen(name)
        except (RayError, ValueError) as err:
            self._lose(name, err)

    async def _find(self, name: str) -> None:
        try:
            self._actors[name] = await asyncio.to_thread(ray.get_actor, name)
            await self._listen(name)
        except (RayError, ValueError) as err:
            self._lose(name, err)

    async def _listen(self, name: str) -> None:
        """Hear what a worker says as long as it lives; what was heard is acknowledged by the next call."""
        actor, acknowledged = self._actors[name], 0
        self._say({"is": "ready", "worker": name}, await actor.hello.remote())
        while True:
            said: bytes = await actor.hear.remote(acknowledged, HEAR_FOR_S)
            acknowledged = int.from_bytes(said[:READY_BYTES], "big")
            self._say({"is": "heard", "worker": name}, said[READY_BYTES:])

    async def _tell(self, name: str, body: bytes) -> None:
        try:
            await self._actors[name].tell.remote(body)
        except (RayError, KeyError) as err:
            self._lose(name, err)

    async def _dismiss(self, name: str, within_s: float) -> None:
        """Let a worker end what it does, hear its last words, and end it."""
        self._stop_listening(name)
        try:
            said = await asyncio.wait_for(_result(self._actors[name].close.remote()), within_s)
            self._say({"is": "heard", "worker": name}, said[READY_BYTES:])
        except (RayError, KeyError, TimeoutError):
            await self._kill(name, "it did not end when told to")
        else:
            await self._kill(name, "it was dismissed")

    async def _kill(self, name: str, why: str) -> None:
        self._stop_listening(name)
        actor = self._actors.pop(name, None)
        if actor is not None:
            await asyncio.to_thread(ray.kill, actor)
        self._say({"is": "lost", "worker": name, "why": why})

    def _lose(self, name: str, err: Exception) -> None:
        """A worker that cannot be spoken with is given up; should it live, it is not to go on."""
        if name in self._actors:
            why = " ".join(str(err).split())[:500]
            self._do(self._kill(name, f"{type(err).__name__}: {why}"))
        elif self._listening.pop(name, None) is not None:
            self._say({"is": "lost", "worker": name, "why": str(err)[:500]})

    def _stop_listening(self, name: str) -> None:
        task = self._listening.pop(name, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()


async def _result(reference: Any) -> bytes:
    said: bytes = await reference
    return said


def serve(arguments: list[str]) -> None:
    """Connect to the cluster and be its server's bridge; says what is wrong where that cannot be."""
    channel, config = socket.socket(fileno=int(arguments[0])), json.loads(arguments[1])
    channel.set_inheritable(False)
    try:
        ray.init(
            address=config["address"],
            namespace=config["namespace"],
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except Exception as err:  # noqa: BLE001 - whatever Ray says is told to the server, in words
        channel.sendall(frame({"is": "broken", "why": f"{type(err).__name__}: {' '.join(str(err).split())[:500]}"}))
        os._exit(1)
    asyncio.run(Bridge(channel, config).serve())
    os._exit(0)  # Ray's own way to leave takes seconds


if __name__ == "__main__":
    serve(sys.argv[1:])
