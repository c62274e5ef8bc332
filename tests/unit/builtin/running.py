"""Built-in blocks as a person or the server meets them: run as programs, or asked for their plan."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fanfold.builtin.planning import PlannedChunk
from fanfold.builtin.registry import load
from tests.pace import patience

ALWAYS: dict[str, str] = {}
"""What every block is given besides its own environment."""


@dataclass(frozen=True)
class Memory:
    """A source that lies in memory."""

    name: str
    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass(frozen=True)
class Ran:
    """What a program left behind; `chunks` or `files`, by what it is."""

    status: int
    stderr: str
    chunks: list[bytes] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def start(
    role: str, name: str, environment: Mapping[str, str], before: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Exit status and stderr of a block run by path in an environment that holds nothing else."""
    program = [sys.executable, "-P", load(role, name).path]
    ran = subprocess.run(
        program,
        env={**ALWAYS, **environment},
        capture_output=True,
        timeout=patience(25),
        check=False,
        preexec_fn=before,
    )
    assert ran.stdout == b""
    return ran.returncode, ran.stderr.decode()


def partition(
    tmp_path: Path,
    name: str,
    params: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
    before: Callable[[], None] | None = None,
) -> Ran:
    """Runs a partitioner over files, or over what already lies in tmp_path/source."""
    source, chunks = tmp_path / "source", fresh(tmp_path / "chunks")
    if files is not None:
        fill(source, files)
    environment = {"SOURCE_DIR": str(source), "CHUNKS_DIR": str(chunks), "PARTITIONER_PARAMS": json.dumps(params)}
    status, stderr = start("partitioner", name, environment, before)
    if status:
        return Ran(status, stderr)
    labels = json.loads((chunks / "labels.json").read_text())
    made = [(chunks / f"data_{index}.bin").read_bytes() for index in range(len(labels))]
    assert len(os.listdir(chunks)) == len(made) + 1
    return Ran(status, stderr, made, labels)


def assemble(
    tmp_path: Path,
    name: str,
    params: Mapping[str, Any],
    results: Sequence[tuple[int, str, bytes]],
    *,
    indexed: bool = True,
    labels: Sequence[str] = (),
) -> Ran:
    """Runs an assembler over results (chunk, name, content); same names lie there as `stem.{chunk}.suffix`."""
    folder, output = tmp_path / "results", fresh(tmp_path / "output")
    names = [one[1] for one in results]
    files, listed = {}, []
    for chunk, called, content in results:
        path = Path(called)
        below = str(path.with_name(f"{path.stem}.{chunk}{path.suffix}")) if names.count(called) > 1 else called
        files[below] = content
        label = labels[chunk] if labels else f"part {chunk}"
        listed.append({"path": below, "name": called, "chunk": chunk, "sizeBytes": len(content), "label": label})
    fill(folder, files)
    environment = {"TASK_RESULTS_DIR": str(folder), "OUTPUT_DIR": str(output), "ASSEMBLER_PARAMS": json.dumps(params)}
    if indexed:
        index = tmp_path / "index.json"
        index.write_text(json.dumps({"jobId": "j", "numChunks": len(results), "files": listed, "failed": []}))
        environment["FANFOLD_RESULTS_INDEX"] = str(index)
    status, stderr = start("assembler", name, environment)
    written = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    return Ran(status, stderr, files=written)


def fresh(folder: Path) -> Path:
    """An empty folder, whatever an example before this one left in it."""
    if folder.exists():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    folder.mkdir(exist_ok=True)
    return folder


def fill(folder: Path, files: Mapping[str, bytes]) -> None:
    fresh(folder)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def planned(name: str, params: Mapping[str, Any], *contents: bytes) -> list[PlannedChunk]:
    """The plan of a splitter over files a, b, c, ..."""
    return planned_named(name, params, {chr(ord("a") + place): data for place, data in enumerate(contents)})


def planned_named(name: str, params: Mapping[str, Any], files: Mapping[str, bytes]) -> list[PlannedChunk]:
    """The plan of a splitter over files."""
    plan = load("partitioner", name).plan
    assert plan is not None
    return list(plan([Memory(called, data) for called, data in files.items()], params))


def body(chunk: PlannedChunk, *contents: bytes) -> bytes:
    """The bytes of a planned chunk."""
    return chunk.prefix + contents[chunk.source][chunk.offset : chunk.offset + chunk.length] + chunk.suffix


def bodies(name: str, params: Mapping[str, Any], *contents: bytes) -> list[bytes]:
    """The bytes of all planned chunks over files a, b, c, ..."""
    return [body(chunk, *contents) for chunk in planned(name, params, *contents)]
