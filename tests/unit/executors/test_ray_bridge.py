"""The process that speaks with Ray, where Ray's head does not answer."""

import asyncio
import json
import socket
from typing import Any

import pytest

from fanfold.executors.ray_frames import HEAD_BYTES, Header, frame, sizes

pytestmark = pytest.mark.needs(module="ray")

NODE = {"NodeID": "a", "Resources": {"CPU": 2.0}, "Labels": {}, "Alive": True}


def test_a_head_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from fanfold.executors import ray_bridge

    answers: list[Any] = [RuntimeError("no answer"), RuntimeError("no answer"), [NODE]]

    def nodes() -> list[dict[str, Any]]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    monkeypatch.setattr(ray, "nodes", nodes)
    monkeypatch.setattr(ray.util, "list_named_actors", lambda: ["earlier"])
    monkeypatch.setattr(ray_bridge, "NODES_EVERY_S", 0.01)

    async def told() -> list[Header]:
        ours, theirs = socket.socketpair()
        serving = asyncio.ensure_future(ray_bridge.Bridge(theirs, {}).serve())
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(frame({"do": "survey", "worker": ""}))
        found: list[Header] = []
        while not found or found[-1]["is"] != "nodes":
            header, body = sizes(await reader.readexactly(HEAD_BYTES))
            found.append(json.loads(await reader.readexactly(header)))
            await reader.readexactly(body)
        writer.close()
        await writer.wait_closed()
        await serving
        return found

    said = asyncio.run(asyncio.wait_for(told(), 30.0))
    assert [header for header in said if header["is"] != "alive"] == [
        {"is": "found", "workers": ["earlier"]},
        {"is": "nodes", "nodes": [{"id": "a", "resources": {"CPU": 2.0}, "labels": {}}]},
    ]
