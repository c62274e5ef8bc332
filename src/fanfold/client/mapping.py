"""`fanfold.map`: a whole job in one line, on a server or, where none is known, here."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.client import credentials
from fanfold.client.errors import JobFailed, ServerUnavailable
from fanfold.client.sync.client import Client
from fanfold.errors import BadInput, FanfoldError

Paths = Path | str | Sequence[Path | str]

ROLES = ("partitioner", "app", "assembler")
JOB_FAILED, BAD_USAGE = 1, 2
RUN = "import sys; from fanfold.cli import main; sys.argv[0] = 'fanfold'; main()"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job is to do: its programs (tags, block folders or scripts), input, params, and where its output goes."""

    app: str
    inputs: tuple[Path, ...]
    partitioner: str
    assembler: str
    params: Mapping[str, Mapping[str, Any]]
    output: Path


def map(  # noqa: A001, PLR0913 - it is used as fanfold.map
    app: Path | str,
    inputs: Paths | None = None,
    *,
    items: Sequence[Any] | None = None,
    partitioner: Path | str = "",
    assembler: Path | str = "",
    params: Mapping[str, Mapping[str, Any]] | None = None,
    output: Path | str | None = None,
    client: Client | None = None,
    progress: bool = False,
) -> tuple[Path, ...]:
    """Run `app` on every chunk of `inputs` (files), or on every one of `items` (JSON values); the output files.

    `app`, `partitioner` and `assembler` are tags, block folders or scripts; `params` are by role:
    `{"app": {"case": "upper"}}`. It runs at `client`, else at the server that FANFOLD_URL or `fanfold login` names,
    else here. `output` is a new or empty folder (a temporary one if not given). Raises JobFailed.
    """
    wish = _wish(app, inputs, items, partitioner, assembler, params or {}, output)
    if client is not None:
        return _at_server(client, wish, progress)
    if not credentials.is_known():
        return _here(wish, progress)
    with Client() as known:
        return _at_server(known, wish, progress)


def _wish(  # noqa: PLR0917 - what map was told
    app: Path | str,
    inputs: Paths | None,
    items: Sequence[Any] | None,
    partitioner: Path | str,
    assembler: Path | str,
    params: Mapping[str, Mapping[str, Any]],
    output: Path | str | None,
) -> Wish:
    if (inputs is None) == (items is None):
        raise BadInput("give either inputs (files) or items (values)")
    if unknown := set(params) - set(ROLES):
        raise BadInput(f"params are by role ({', '.join(ROLES)}), found {', '.join(sorted(unknown))}")
    if items is not None:
        if partitioner:
            raise BadInput("items are split by the built-in 'list-items'; leave partitioner out")
        given = {"items": list(items), "format": "json", **params.get("partitioner", {})}
        partitioner, params = "list-items", {**params, "partitioner": given}
    files = [inputs] if isinstance(inputs, str | Path) else list(inputs or ())
    place = Path(output) if output is not None else Path(tempfile.mkdtemp(prefix="fanfold-"))
    return Wish(
        app=str(app),
        inputs=tuple(Path(file) for file in files),
        partitioner=str(partitioner) or "passthrough",
        assembler=str(assembler) or "passthrough",
        params=params,
        output=place,
    )


RECORDS = ("failed.jsonl", "provenance.json")
"""What tells of an output, and is fetched beside it."""


def _at_server(client: Client, wish: Wish, progress: bool) -> tuple[Path, ...]:
    """Push what is local, upload the input, run, wait, download."""
    if len(wish.inputs) > 1:
        raise BadInput(f"a server takes one file at a time, found {len(wish.inputs)}; call map once for each")
    job = client.jobs.create(
        name=f"map {Path(wish.app).stem}",
        app=_pushed(client, wish.app, "app"),
        partitioner=_pushed(client, wish.partitioner, "partitioner"),
        assembler=_pushed(client, wish.assembler, "assembler"),
        params=wish.params,
        data_source={"dataSourceDescriptor": "bypass"},
        data_destination={"dataSourceDescriptor": "bucket"},
    )
    for file in wish.inputs:
        job.upload(file)
    files = job.run().wait(progress=progress).results.download(wish.output)
    records = {wish.output / name for name in RECORDS}
    return tuple(file for file in files if file not in records)


def _pushed(client: Client, block: str, role: str) -> str:
    """The tag of a block; a folder or script is pushed and activated first."""
    if not _is_local(block):
        return block
    blocks = client.apps if role == "app" else client.engines
    pushed = blocks.push(block, activate=True, kind=role).block
    return f"{pushed.name}@{pushed.version}"


def _is_local(block: str) -> bool:
    path = Path(block)
    return path.is_file() or (path / "manifest.json").is_file()


def _here(wish: Wish, progress: bool) -> tuple[Path, ...]:
    """Run `fanfold run` in a process of its own."""
    words = [sys.executable, "-c", RUN, "run", "--json", "--app", wish.app, "-o", str(wish.output)]
    words += ["--partitioner", wish.partitioner, "--assembler", wish.assembler]
    for role, values in wish.params.items():
        for key, value in values.items():
            words += ["-p", f"{role}.{key}={json.dumps(value)}"]
    words += ["--", *(str(file) for file in wish.inputs)]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE, check=False)
    try:
        told = json.loads(ended.stdout)
    except ValueError as err:
        raise _refused(ended.returncode, (ended.stderr or b"").decode("utf-8", "replace")) from err
    if ended.returncode == JOB_FAILED:
        raise JobFailed(told["job"]["id"], told["job"].get("errorMessage") or "no reason was given")
    return tuple(wish.output / name for name in told["files"])


def _refused(code: int, said: str) -> FanfoldError:
    """What `fanfold run` told before anything ran."""
    line = (said.strip().splitlines() or [f"fanfold run ended with {code}"])[-1].removeprefix("error: ")
    return BadInput(line) if code == BAD_USAGE else ServerUnavailable(503, line, (), "", 14)
