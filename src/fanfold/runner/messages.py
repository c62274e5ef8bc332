"""What a server and its runners say to each other: JSON, one message a line.

To a runner:   {"do": "use", ...storage} · {"do": "run", ...order} · {"do": "cancel", "attempt": [...]} · {"do": "end"}
               {"do": "give_back"}
From a runner: {"is": "ready"} · {"is": "beat"} · {"is": "started", ...} · {"is": "ended", ...outcome}
               {"is": "free", "attempt": [...]} · {"is": "given_back", "attempts": [...]}

"free" says that an attempt's program has ended and no order waits; what became of it follows when it is on disk.
"give_back" asks for all orders that were not begun; the answer names them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from fanfold.jobs.blocks import Device
from fanfold.jobs.encoding import chunk_json, chunk_of, result_json, result_of
from fanfold.jobs.failures import Cause
from fanfold.jobs.models import AttemptKey, Role, TaskKey, Usage
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, RunnerLost, Succeeded
from fanfold.ports.blobs import BlobPlace
from fanfold.ports.environments import EnvironmentPlace
from fanfold.ports.executor import Input, RangeRequest, RunOrder, Told

Message = dict[str, Any]


def line(message: Message) -> bytes:
    """A message as it travels."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def split_lines(buffer: bytes) -> tuple[list[Message], bytes]:
    """The whole messages in a buffer, and what is left of it."""
    *lines, rest = buffer.split(b"\n")
    return [json.loads(text) for text in lines], rest


def attempt_json(key: AttemptKey) -> list[Any]:
    """An attempt's key as JSON."""
    return [key.task.job_id, key.task.role.value, key.task.index, key.fence]


def attempt_of(data: list[Any]) -> AttemptKey:
    """An attempt's key from its JSON."""
    return AttemptKey(TaskKey(data[0], Role(data[1]), data[2]), data[3])


MARK_BYTES = 256


def mark_of(key: AttemptKey) -> bytes:
    """An attempt's key, as a runner leaves it in a file where it is found after its death."""
    return json.dumps(attempt_json(key)).encode().ljust(MARK_BYTES)


def marked(data: bytes) -> AttemptKey | None:
    """Whose mark this is; None where there is none."""
    return attempt_of(json.loads(data)) if data.strip(b"\0 ") else None


_ORDER_PLAIN = (
    *(
        "number",
        "folder",
        "scratch",
        "package",
        "entrypoint",
        "platform",
        "inputs_file",
        "env",
        "secrets",
        "params",
        "timeout_s",
    ),
    *("hash_results", "avoid_runner", "account", "trusted", "reentrant", "image", "runtime"),
    "environment",
)


def order_json(order: RunOrder) -> Message:
    """An order as a message."""
    return {
        "do": "run",
        "attempt": attempt_json(order.attempt),
        **{name: getattr(order, name) for name in _ORDER_PLAIN},
        "interpreter": list(order.interpreter),
        "preload": list(order.preload),
        "inputs": [_input_json(item) for item in order.inputs],
        "device": [order.device.cores, order.device.memory_bytes, list(order.device.gpus)],
    }


def _input_json(item: Input) -> list[Any]:
    chunk = None if item.chunk is None else chunk_json(item.chunk)
    asked = item.request
    return [item.name, item.location, chunk, asked and [asked.url, dict(asked.headers), asked.allow_private]]


def _input_of(data: list[Any]) -> Input:
    name, location, chunk, asked = data
    return Input(name, location, chunk and chunk_of(chunk), asked and RangeRequest(*asked))


def order_of(data: Message) -> RunOrder:
    """An order from its message."""
    cores, memory, gpus = data["device"]
    return RunOrder(
        attempt=attempt_of(data["attempt"]),
        **{name: data[name] for name in _ORDER_PLAIN},
        interpreter=tuple(data["interpreter"]),
        preload=tuple(data["preload"]),
        inputs=tuple(map(_input_of, data["inputs"])),
        device=Device(cores, memory, tuple(gpus)),
    )


def storage_json(place: BlobPlace, root: Path, environments: EnvironmentPlace | None = None) -> Message:
    """Where job data is at rest, the state folder of a runner's machine, and where it makes environments itself, as a
    message."""
    made = environments and asdict(environments)
    return {"do": "use", "root": str(root), "place": asdict(place), "environments": made}


def storage_of(data: Message) -> tuple[BlobPlace, Path]:
    """The storage and the state folder from their message."""
    return BlobPlace(**data["place"]), Path(data["root"])


def environments_of(data: Message) -> EnvironmentPlace | None:
    """From the same message, where environments are made."""
    told = data["environments"]
    return told and EnvironmentPlace(**{**told, "links": tuple(told["links"])})


def told_json(told: Told) -> Message:
    """A report of progress as a message."""
    return {
        "is": "started",
        "attempt": attempt_json(told.attempt),
        "started": told.started,
        "at": told.at.isoformat(),
        "runner": told.runner,
    }


def told_of(data: Message) -> Told:
    """A report of progress from its message."""
    return Told(attempt_of(data["attempt"]), data["started"], datetime.fromisoformat(data["at"]), data["runner"])


_KINDS: dict[str, type[Outcome]] = {kind.__name__: kind for kind in (Succeeded, ProgramFailed, RunnerLost, GivenBack)}


def outcome_json(outcome: Outcome) -> Message:
    """An outcome as a message."""
    message: Message = {
        "is": "ended",
        "kind": type(outcome).__name__,
        "attempt": attempt_json(outcome.attempt),
        "at": outcome.at.isoformat(),
        "started_at": None if outcome.started_at is None else outcome.started_at.isoformat(),
        "runner": outcome.runner,
        "usage": asdict(outcome.usage),
    }
    match outcome:
        case Succeeded():
            message["result"] = result_json(outcome.result)
        case ProgramFailed():
            more = {"exit_code": outcome.exit_code, "final": outcome.final, "cause": asdict(outcome.cause)}
            message |= {"reason": outcome.reason.value, "message": outcome.message, **more}
        case RunnerLost():
            message |= {"reason": outcome.reason.value, "message": outcome.message}
    return message


def outcome_of(data: Message) -> Outcome:
    """An outcome from its message."""
    more: dict[str, Any] = {name: data[name] for name in ("message", "exit_code", "final") if name in data}
    if "reason" in data:
        more["reason"] = Reason(data["reason"])
    if "cause" in data:
        more["cause"] = Cause(**data["cause"])
    if "result" in data:
        more["result"] = result_of(data["result"])
    started = data["started_at"]
    return _KINDS[data["kind"]](
        attempt=attempt_of(data["attempt"]),
        at=datetime.fromisoformat(data["at"]),
        started_at=None if started is None else datetime.fromisoformat(started),
        runner=data["runner"],
        usage=Usage(**data["usage"]),
        **more,
    )
