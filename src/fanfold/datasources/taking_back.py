"""Whose file is it? Several jobs may deliver to one folder, even under one name: the last one's file is there.

Who takes an output back takes no other job's file along.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from fanfold.datasources.listings import MANIFEST, mark_in, mark_of
from fanfold.jobs.models import ResultFile

PART = ".fanfold-part"


def part_of_mark(place: Path, mark: str) -> Path:
    """The temporary name of a file that the job of a mark delivers."""
    return place.with_name(f".{place.name}.{mark}{PART}")


def listed_by(listing: Path, job_id: str) -> list[ResultFile] | None:
    """The files below its folder that a job's listing tells; None where it is another's, or no listing any more."""
    told = _told(listing)
    return _entries(told) if told is not None and told.get("jobId") == job_id else None


class OthersFiles:
    """What the listings of other jobs say is theirs, in one folder."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self._folder = folder
        self._listed = {entry for mark, told in _listings(folder, job_id) for entry in self._there(mark, told)}

    def _there(self, mark: str, told: dict[str, object]) -> Iterator[ResultFile]:
        """What of it has its own name already."""
        for entry in _entries(told) or ():
            if not mark or not part_of_mark(self._folder / entry.path, mark).exists():
                yield entry

    def has(self, entry: ResultFile) -> bool:
        """Whether another job has delivered the same bytes under the same name."""
        return entry in self._listed


def has_bytes_of(place: Path, entry: ResultFile) -> bool:
    """Whether a file is what a listing says, and not another one that has replaced it."""
    try:
        with open(place, "rb", opener=_plainly) as file:
            if os.fstat(file.fileno()).st_size != entry.size_bytes:
                return False
            return not entry.sha256 or hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
    except OSError:
        return False


def _plainly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _listings(folder: Path, job_id: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(mark in the name, "" for a finished one; what it tells) of each listing of another job."""
    for name in sorted(os.listdir(folder)):
        mark = mark_in(name)
        if name != MANIFEST and mark in ("", mark_of(job_id)):
            continue
        told = _told(folder / name)
        if told is not None and told.get("jobId") != job_id:
            yield mark, told


def _told(listing: Path) -> dict[str, object] | None:
    with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
        told = json.loads(listing.read_bytes())
        if isinstance(told, dict):
            return told
    return None


def _entries(told: dict[str, object]) -> list[ResultFile] | None:
    """None where what is told is no list of files; names that lead elsewhere are left out."""
    listed = told.get("files")
    if not isinstance(listed, list) or not all(_is_entry(entry) for entry in listed):
        return None
    found = [ResultFile(str(entry["name"]), int(entry["size"]), str(entry.get("sha256", ""))) for entry in listed]
    return [entry for entry in found if _stays_below(PurePath(entry.path))]


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("size"), int)


def _stays_below(path: PurePath) -> bool:
    return not path.is_absolute() and ".." not in path.parts
