"""`local`: files and folders of this machine. `path` names a file or folder; `paths` several files.

A delivery puts every file under a temporary name first, then renames them one after the other, and writes its manifest
last: a reader sees each file whole or not at all, and the output is whole once the manifest is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath

from fanfold.datasources.allowed import AllowedFolders
from fanfold.datasources.listings import MANIFEST, is_listing, mark_of, pending_of
from fanfold.datasources.taking_back import PART, OthersFiles, has_bytes_of, listed_by, part_of_mark
from fanfold.effects import Effects, enough_space, etag_of, part_of
from fanfold.errors import BadInput, FanfoldError, Problem
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.datasource import DataSource, OutputFile, Preview, SourceFile, Staging, counted

PREVIEW_WITHIN_S = 5.0


class LocalFolder:
    """Reads and writes folders of this machine."""

    def __init__(self, effects: Effects, allowed: tuple[Path, ...] | None = None) -> None:
        """`allowed`: the folders that may be used, with all below them; None: the whole machine."""
        self._effects = effects
        self._allowed = AllowedFolders(allowed)

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Refuse what is missing, unreadable or has no files; every problem at once."""
        paths = self._allowed.paths(ref, "dataSource")
        problems = [problem for path in paths for problem in _source_problems(path)]
        if not paths:
            problems = [Problem("dataSource.params.path", "names no file; give a file or a folder")]
        if problems:
            raise BadInput("the input cannot be used", problems)

    def preview(self, ref: DataRef) -> Preview:
        """The files below a folder, in the order they are met."""
        self.check_source(ref, "")
        until = time.monotonic() + PREVIEW_WITHIN_S
        return counted(self._sizes(ref), lambda: time.monotonic() > until)

    def _sizes(self, ref: DataRef) -> Iterator[tuple[str, int]]:
        for path in self._allowed.paths(ref, "dataSource"):
            for name, place in _below(path):
                self._allowed.check(place)
                with contextlib.suppress(FileNotFoundError):
                    yield name, place.stat().st_size

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Files by name; a folder means all files below it, named relative to it; hidden ones are left out."""
        files = [entry for path in self._allowed.paths(ref, "dataSource") for entry in _below(path)]
        for name, path in sorted(files):
            self._allowed.check(path)
            try:
                info = os.stat(path)
            except OSError as err:
                raise BadInput(f"the input '{path}' cannot be read: {err.strerror}") from err
            yield SourceFile(name, str(path), info.st_size, etag_of(info))

    def check_destination(self, ref: DataRef) -> None:
        """Refuse a folder that is not one or cannot be written."""
        folder = self._folder(ref)
        nearest = next(path for path in [folder, *folder.parents] if path.exists())
        reason = ""
        if not nearest.is_dir():
            reason = f"'{nearest}' is not a folder"
        elif not _is_writable(nearest):
            reason = f"'{nearest}' cannot be written by you; choose another folder or change its permissions"
        if reason:
            raise BadInput("the output folder cannot be used", [Problem("dataDestination.params.path", reason)])

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """See `ports.datasource`."""
        folder = self._folder(ref)
        self._made(folder)
        entries = []
        try:
            for file in files:
                if stopped():
                    self.take_back(ref, job_id)
                    return 0, 0
                self._place(folder, job_id, file)
                entries.append(file.entry)
            self._list(folder, job_id, entries)
        except FanfoldError:
            self._drop_parts(folder, job_id)
            raise
        for entry in entries:
            place = folder / entry.path
            self._effects.rename(_part(place, job_id), place)
            # rename(2) leaves both names where they are one file already: an earlier delivery came as far as here.
            self._effects.remove_file(_part(place, job_id))
        for below in _folders(entries):
            self._effects.fsync_folder(folder / below)
        self._effects.rename(folder / pending_of(job_id), folder / MANIFEST)
        self._effects.fsync_folder(folder)
        return len(entries), sum(entry.size_bytes for entry in entries)

    def _list(self, folder: Path, job_id: str, entries: Iterable[ResultFile]) -> None:
        listed = [{"name": entry.path, "size": entry.size_bytes, "sha256": entry.sha256} for entry in entries]
        manifest = {"jobId": job_id, "files": listed}
        self._effects.write_file(folder / pending_of(job_id), json.dumps(manifest, indent=1).encode() + b"\n")

    def _folder(self, ref: DataRef) -> Path:
        paths = self._allowed.paths(ref, "dataDestination")
        if len(paths) != 1:
            raise BadInput("the output folder cannot be used", [Problem("dataDestination.params.path", "is missing")])
        return paths[0]

    def _made(self, folder: Path) -> None:
        try:
            self._effects.make_folder(folder)
        except OSError as err:
            raise BadInput(
                f"the output folder '{folder}' cannot be made: {err.strerror}; choose another output folder"
            ) from err

    def _place(self, folder: Path, job_id: str, file: OutputFile) -> None:
        """One file under its temporary name, on disk."""
        place = folder / file.entry.path
        part = _part(place, job_id)
        if is_listing(file.entry.path):
            raise BadInput(f"the output has a file called '{file.entry.path}': that name is reserved")
        self._allowed.check(place.parent)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._effects.remove_file(part)
            with enough_space(place):
                self._effects.link_or_copy(Path(file.path), part)
        except OSError as err:
            raise BadInput(f"'{place}' cannot be written: {err.strerror}; choose another output folder") from err
        if place.is_dir():
            raise BadInput(f"'{place}' is a folder and cannot be replaced by a file; choose another output folder")
        with open(part, "rb") as written:
            self._effects.fsync(written.fileno(), part.name)

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """Remove temporary files, and the files that this job's manifest lists, written or still pending, but for those
        that another job has put in their place."""
        folder = self._folder(ref)
        if not folder.is_dir():
            return
        for listing in (folder / pending_of(job_id), folder / MANIFEST):
            self._take_back_listed(folder, listing, job_id)
        self._drop_parts(folder, job_id)

    def _drop_parts(self, folder: Path, job_id: str) -> None:
        """Remove what lies there under temporary names of this job."""
        for part in [*folder.rglob(f".*.{mark_of(job_id)}{PART}"), part_of(folder / pending_of(job_id))]:
            self._effects.remove_file(part)

    def _take_back_listed(self, folder: Path, listing: Path, job_id: str) -> None:
        entries = listed_by(listing, job_id)
        if entries is not None:
            others = OthersFiles(folder, job_id)
            for entry in entries:
                self._take_back_one(folder, entry, job_id, others)
            self._effects.remove_file(listing)

    def _take_back_one(self, folder: Path, entry: ResultFile, job_id: str, others: OthersFiles) -> None:
        """A file that is still under its temporary name did not replace what lies at its own; one that is not what this
        job delivered, or that another job delivered just the same, is another's."""
        place = folder / entry.path
        part = _part(place, job_id)
        if part.exists() and not (place.exists() and part.samefile(place)):
            self._effects.remove_file(part)
        elif has_bytes_of(place, entry) and not others.has(entry):
            self._effects.remove_file(place)


def _folders(entries: Iterable[ResultFile]) -> list[PurePath]:
    """All folders of an output below its own."""
    return sorted({parent for entry in entries for parent in PurePath(entry.path).parents})


def _part(place: Path, job_id: str) -> Path:
    return part_of_mark(place, mark_of(job_id))


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there; asked by making one without a name."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _source_problems(path: Path) -> Iterator[Problem]:
    place = "dataSource.params.path"
    if not path.exists():
        yield Problem(place, f"'{path}' does not exist; check the spelling and where you are")
    elif path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            yield Problem(place, f"the folder '{path}' cannot be read by you")
        elif not any(True for _ in _below(path)):
            yield Problem(place, f"the folder '{path}' has no files; put your input files into it")
    elif not stat.S_ISREG(path.stat().st_mode):
        yield Problem(place, f"'{path}' is neither a file nor a folder")
    elif not os.access(path, os.R_OK):
        yield Problem(place, f"the file '{path}' cannot be read by you")


def _below(path: Path) -> Iterator[tuple[str, Path]]:
    """The files that a path means: itself, or all below it but hidden ones, with their names."""
    if not path.is_dir():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            place = Path(folder, name)
            if not name.startswith(".") and place.is_file():
                yield str(place.relative_to(path)), place


_fits: type[DataSource] = LocalFolder
