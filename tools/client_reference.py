"""Writes docs/reference/client.md from the client itself: python tools/client_reference.py; --check only compares."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fanfold.client import errors, mapping
from fanfold.client.fields import JobFields, JobsWanted, LinesWanted, LogsWanted
from fanfold.client.following import FollowedLine
from fanfold.client.pages import Page
from fanfold.client.sync.blocks import Blocks
from fanfold.client.sync.caches import Caches
from fanfold.client.sync.client import Client
from fanfold.client.sync.job import Job, Results
from fanfold.client.sync.jobs import Jobs
from fanfold.client.sync.keys import Keys
from fanfold.client.sync.secrets import Secrets
from fanfold.client.sync.storage import Storage
from fanfold.client.sync.templates import Templates
from fanfold.client.sync.wallet import Wallet
from fanfold.client.sync.webhooks import Webhooks
from fanfold.wire.auth import ApiKeyAnswer, AuthApiKey, AuthUser
from fanfold.wire.base import Shape
from fanfold.wire.dev import Block, TemplateTemplate
from fanfold.wire.jobs import (
    DataSourceDataSource,
    JobAppParams,
    JobJob,
    JobJobConfig,
    JobProgress,
    JobResult,
)
from fanfold.wire.logs import LogEntry, LogsAnswer
from fanfold.wire.tasks import TaskAttempt, TaskTask

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "client.md"
OPENING = """# The Python client

<!-- Written by tools/client_reference.py from the client; change its docstrings, not this page. -->

```python
import fanfold

with fanfold.Client("http://127.0.0.1:8480", api_key) as client:
    client.apps.push("examples/word-count", activate=True)
    job = client.jobs.create(app="word-count", partitioner="split-lines", assembler="sum-json",
                             data_destination={"dataSourceDescriptor": "bucket"})
    job.upload("examples/data/war-and-peace.txt").run().wait(progress=True)
    job.results.download("out")
```

`fanfold.Client` is for threads; one may be used by many. `fanfold.AsyncClient` is the same for asyncio: every call is
awaited, iterators are read with `async for`, and `close` is called `aclose`. Both are made from one source.

- **Tokens** are fetched with the API key, renewed a minute before they end, and once when the server knows one no more.
- **Repeats.** A server that is busy (429, 503) or absent is asked again, with growing waits, none shorter than its
  `Retry-After`, for `retry_s` seconds. A request that may have arrived is sent again only if a repeat changes nothing;
  creating and running a job carry an `Idempotency-Key`, so that they are such requests.
- **Waiting** holds one request open at the server until the job's state changes; nothing is polled in between.
- **Downloads** go on where they stopped, are checked by their SHA-256, and appear under their names when whole.
"""
PLACES = (
    ("client", Client),
    ("client.jobs", Jobs),
    ("job", Job),
    ("job.results", Results),
    ("client.apps, client.engines", Blocks),
    ("client.templates", Templates),
    ("client.keys", Keys),
    ("client.secrets", Secrets),
    ("client.storage", Storage),
    ("client.wallet", Wallet),
    ("client.webhooks", Webhooks),
    ("client.caches", Caches),
)
ANSWERS: tuple[type[Shape], ...] = (
    JobJob,
    JobProgress,
    JobJobConfig,
    JobAppParams,
    DataSourceDataSource,
    JobResult,
    TaskTask,
    TaskAttempt,
    LogsAnswer,
    LogEntry,
    FollowedLine,
    Block,
    TemplateTemplate,
    AuthUser,
    AuthApiKey,
    ApiKeyAnswer,
)


def page() -> str:
    """The whole page."""
    parts = [OPENING, *(line for name, kind in PLACES for line in section(name, kind))]
    parts += ["", "## `fanfold.map`", "", *call("fanfold.map", mapping.map)]
    parts += ["", "## What is given", "", "Every part may be left out.", ""]
    parts += [
        f"- `{kind.__name__}`: {names(kind.__annotations__)}"
        for kind in (JobFields, JobsWanted, LinesWanted, LogsWanted)
    ]
    parts += ["", "## What is answered", "", "Values that cannot be changed, with the API's names in snake_case.", ""]
    parts += [f"- `{kind.__name__}`: {names(kind.model_fields)}" for kind in ANSWERS]
    parts += [f"- `Page`: {names(Page.__dataclass_fields__)}; it is also a sequence of its items"]
    parts += ["", "## Errors", "", "```text", *tree(), "```", ""]
    parts += ["Each has `code`, which never changes (see [Errors](errors.md)), and `retryable`; an `ApiError` has also"]
    parts += ["`status`, `details` (a `field` and a `reason` each), `grpc_code` and `request_id`."]
    return "\n".join(parts) + "\n"


def section(name: str, kind: type[Any]) -> Iterator[str]:
    """A class: what it is, how it is made, its public calls."""
    yield from ("", f"## `{name}`", "", one_line(kind.__doc__))
    if kind is Client:
        yield from ("", *call("fanfold.Client", kind, told=False))
    for member, value in vars(kind).items():
        if member.startswith("_"):
            continue
        first = name.split(",", maxsplit=1)[0]
        if isinstance(value, property):
            yield from ("", f"### `{first}.{member}`", "", one_line(value.__doc__))
        elif inspect.isfunction(value):
            yield from ("", f"### `{first}.{member}`", "", *call(f"{first}.{member}", value))


def call(name: str, function: Any, told: bool = True) -> Iterator[str]:
    """A call with its arguments, and what it does."""
    signature = inspect.signature(function)
    given = list(arguments(signature))
    arrow = (
        "" if signature.return_annotation in {inspect.Signature.empty, "None"} else f" -> {signature.return_annotation}"
    )
    line = f"{name}({', '.join(given)}){arrow}"
    lines = [line] if len(line) <= 110 else [f"{name}(", *(f"    {item}," for item in given), f"){arrow}"]
    yield from ("```python", *lines, "```")
    if told:
        yield from ("", one_line(function.__doc__))


def arguments(signature: inspect.Signature) -> Iterator[str]:
    """What a call is given: names, types, defaults; `*` before those that go by name only."""
    marked = False
    for item in signature.parameters.values():
        if item.name == "self":
            continue
        if item.kind is item.KEYWORD_ONLY and not marked:
            marked = True
            yield "*"
        stars = "**" if item.kind is item.VAR_KEYWORD else ""
        default = "" if item.default is item.empty else f" = {item.default!r}"
        yield f"{stars}{item.name}: {item.annotation}{default}"


def one_line(text: str | None) -> str:
    """A docstring with its lines joined, a blank line between paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").strip().split("\n\n"))


def names(fields: Any) -> str:
    """Field names as code."""
    return ", ".join(f"`{name}`" for name in fields)


def tree() -> Iterator[str]:
    """The drawing of the error tree in the docstring of its module."""
    drawing = re.search(r"^ *ClientError\n(.+\n?)+", errors.__doc__ or "", re.MULTILINE)
    assert drawing is not None
    yield from textwrap.dedent(drawing.group()).splitlines()


def main() -> int:
    """0, or 1 where --check finds another page than the code asks for."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
