"""The job storage: one folder a job, the only place that knows how it is laid out. Where its bytes are, says the port
`blobs`.

jobs/<job id>/
  source.jsonl          the files of the input: name, location, size, etag
  source/               input that does not lie elsewhere: an upload, or what a URL gave
  draft.jsonl           the same, as the last plan of a draft found them: it may be under way while a run begins
  plan.jsonl            chunks planned by a built-in splitter
  results/<attempt>/    published results, whole or not there
  packages/<role>.<round>.txt   what exactly nodes install for a block that requires packages
  logs/<attempt>.jsonl  and what comes after a log's head: `jobs.log_names`
  merge/                what the assembler is given: inputs.jsonl, index.json
  records/              what is told beside the output: provenance.json, failed.jsonl
scratch/<runner>/<account>/<job>.<attempt>/   where an attempt works; gone when it ends
packages/<sha256>/      unpacked blocks
ballast                 space kept for the moment when the disk is full
caches/                 user and shared caches of programs
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from fanfold.effects import Effects, part_of
from fanfold.errors import OutOfSpace, Unavailable
from fanfold.jobs.chunks import STORED
from fanfold.jobs.models import AttemptKey, ResultFile, ResultManifest, Role
from fanfold.pipeline.linking import Gathered, gather
from fanfold.ports.blobs import Blob, Blobs
from fanfold.ports.datasource import SourceFile
from fanfold.ports.storage import JobStorage
from fanfold.runner.staging import json_lines, manifest_files
from fanfold.runner.storage import at_rest_here

WAY_OUT = "way-out"
BALLAST = "ballast"
BALLAST_BYTES = 4 * 1024 * 1024


class JobFolder:
    """One job's folder."""

    def __init__(self, path: Path, effects: Effects, blobs: Blobs) -> None:
        self.path = path
        self.blobs = blobs
        self._effects = effects
        self.source_list = path / "source.jsonl"
        self.draft_list = path / "draft.jsonl"
        self.plan = path / "plan.jsonl"
        self.merge_inputs = path / "merge" / "inputs.jsonl"
        self.merge_index = path / "merge" / "index.json"
        self.partition_inputs = path / "inputs.jsonl"
        self.images = path / "images.json"
        self.source = path / "source"
        self.logs = path / "logs"
        self.records = path / "records"

    def make(self) -> None:
        """Make the folder on this machine's disk and what attempts expect in it; safe to repeat."""
        for name in ("results", "logs", "merge", "records"):
            self._effects.make_folder(self.path / name)

    def packages(self, role: Role, round_: int) -> Path:
        """Where the list of packages lies that the block of a role runs with in a round."""
        return self.path / "packages" / f"{role.value}.{round_}.txt"

    def result(self, attempt: AttemptKey) -> Path:
        """Where an attempt's result is published."""
        return self.path / "results" / attempt.name

    def result_key(self, attempt: AttemptKey) -> str:
        """The same, relative to the job's folder."""
        return f"results/{attempt.name}"

    def result_files(self, attempt: AttemptKey, manifest: ResultManifest) -> Iterator[ResultFile]:
        """What a result holds, streamed from its manifest."""
        return manifest_files(manifest, self.result(attempt), self.blobs)

    def has_result(self, attempt: AttemptKey, manifest: ResultManifest | None) -> bool:
        """Whether an attempt's published result is there."""
        nothing = manifest is not None and manifest.count == 0 and self.blobs.at_once > 1  # a folder is no blob
        return nothing or self.blobs.exists(self.result(attempt))

    def uploads(self) -> Iterator[Blob]:
        """What is in `source`."""
        return self.blobs.below(self.source)

    def within_reach(self, path: Path) -> Path:
        """Where a stored file lies on this machine's disk, until `drop_way_out` is called."""
        if self.blobs.at_once == 1:
            return path
        place = self.path / WAY_OUT / path.relative_to(self.path)
        self._effects.make_folder(place.parent)
        if not place.exists():
            self.blobs.place(path, place)
        return place

    def drop_way_out(self) -> None:
        """Let go of what was brought within reach."""
        if self.blobs.at_once > 1:
            self._effects.remove_tree(self.path / WAY_OUT)

    def brought(self, path: Path) -> None:
        """Have what is stored at a path lie there on this machine's disk. FileNotFoundError where there is nothing."""
        if not path.exists():
            self._effects.make_folder(path.parent)
            self.blobs.place(path, path)

    def stored(self, file: SourceFile) -> SourceFile:
        """A source file that was brought into this folder, as every machine finds it."""
        path = Path(file.location)
        if file.remote or not path.is_relative_to(self.path):
            return file
        self.blobs.take(path)
        address = self.blobs.address(path)
        return file if address == file.location else replace(file, location=STORED + address)

    def log(self, attempt: AttemptKey) -> Path:
        """Where an attempt's log is."""
        return self.logs / f"{attempt.name}.jsonl"

    def drop_result(self, attempt: AttemptKey) -> None:
        """Remove a result that did not win; safe to repeat. Raises Unavailable where it cannot be removed now."""
        self._removed(self.result(attempt))

    def drop_records(self) -> None:
        """Remove what tells of the output; safe to repeat."""
        self._removed(self.records)

    def _removed(self, path: Path) -> None:
        """A program that is just dying may still write into what is removed: then it goes another time."""
        try:
            self.blobs.drop(path)
        except OSError as err:
            raise Unavailable(f"'{path}' cannot be removed now: {err}") from err

    @contextmanager
    def new_input(self, name: str) -> Iterator[IO[bytes]]:
        """A file of `source`, written in pieces, that appears whole when the block is left without error."""
        self._effects.make_folder(self.source)
        with self.blobs.new(self.source / name) as file:
            yield file

    def drop_input(self, name: str) -> None:
        """Remove a file of `source`, whole or still being written; safe to repeat."""
        self.blobs.drop(self.source / name)
        self._effects.remove_file(part_of(self.source / name))

    def write_lines(self, path: Path, rows: Iterable[Any]) -> int:
        """Write rows as JSON Lines so that the file is there whole or not at all; says how many."""
        count = 0
        with self.blobs.new(path) as file:
            for row in rows:
                file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
                count += 1
        return count

    def read_lines(self, path: Path) -> Iterator[Any]:
        """The rows of a JSON Lines file, streamed."""
        return json_lines(self.blobs, path)

    def gather(self, files: Sequence[Gathered], attempt: AttemptKey) -> ResultManifest:
        """Publish files of other results as this attempt's. Raises ResultGone, OutOfSpace."""
        return gather(files, self.path / "merge" / "output", self.result(attempt), self._effects)

    def results(self) -> list[str]:
        """The attempts whose results are there."""
        return list(self.blobs.names(self.path / "results"))

    def drop_results(self, names: Iterable[str]) -> None:
        """Remove the results of these attempts; safe to repeat."""
        for name in names:
            self._removed(self.path / "results" / name)

    def remove_data(self) -> None:
        """Remove all but the logs."""
        for name in ("source", "results", "merge", "records", "packages"):
            self.blobs.drop(self.path / name)
        for path in (self.source_list, self.draft_list, self.plan, self.partition_inputs):
            self.blobs.drop(path)

    def remove(self) -> None:
        """Remove the folder whole."""
        self._removed(self.path)


class Workspace:
    """All job folders below one root."""

    def __init__(self, root: Path, effects: Effects, blobs: Blobs | None = None, process: str = "") -> None:
        """`process` names one of several that share the root: each has runners with a scratch of their own."""
        self.root = root
        self.blobs = blobs or at_rest_here(effects, root)
        self.scratch = root / "scratch" / process
        self.effects = effects

    def at_work(self) -> Iterator[Path]:
        """The folders that attempts work in, and those that were left; each is named `<job>.<attempt>`. What a runner
        keeps for its next attempt begins with a dot."""
        return (path for place in _folders(self.scratch) for ground in _folders(place) for path in _folders(ground))

    def sweep_scratch(self, working: frozenset[str]) -> int:
        """Remove what attempts that do not work left; says how many. A runner that is just dying may still write into
        what is being removed; what is left goes with the next sweep."""
        left = [path for path in self.at_work() if path.name not in working]
        for path in left:
            with contextlib.suppress(OSError):
                self.effects.remove_tree(path)
        return len(left)

    def drop_scratch(self) -> None:
        """Remove it whole, that of all processes: at start, when no runner works whose result could count."""
        with contextlib.suppress(OSError):
            self.effects.remove_tree(self.root / "scratch")

    def keep_ballast(self) -> None:
        """Reserve the space that is given free when the disk is full, so that what happened can still be written.
        Raises OutOfSpace, and then keeps none."""
        try:
            self.effects.reserve(self.root / BALLAST, BALLAST_BYTES)
        except OutOfSpace:
            self.drop_ballast()
            raise

    def has_ballast(self) -> bool:
        """Whether that space is reserved."""
        return (self.root / BALLAST).exists()

    def drop_ballast(self) -> None:
        """Give that space free; safe to repeat."""
        self.effects.remove_file(self.root / BALLAST)

    def job(self, job_id: str) -> JobFolder:
        """One job's folder, there or not."""
        return JobFolder(self.root / "jobs" / job_id, self.effects, self.blobs)

    def job_ids(self) -> list[str]:
        """The jobs that have a folder."""
        return self.blobs.names(self.root / "jobs")

    def package(self, key: str) -> Path:
        """An unpacked block's `app` folder; absolute keys stand for themselves."""
        return self.root / key

    def cache(self, account_id: str, *, imported: bool = False) -> Path:
        """The cache that an account's own programs share, or another one, its imported programs; made at first use."""
        path = self.root / "caches" / ("imported" if imported else "user") / account_id
        self.effects.make_folder(path)
        return path

    def shared_cache(self) -> Path:
        """The cache that everybody's programs read; made at first use."""
        path = self.root / "caches" / "shared"
        self.effects.make_folder(path)
        return path


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, which may have gone meanwhile; what begins with a dot is the runner's own."""
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            return [Path(entry.path) for entry in there if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


_fits: type[JobStorage] = Workspace
