"""A whole server as one stream: every row of its database and every file of its state folder, to be moved to another
database and another folder.

A tar archive: `fanfold.json` (what follows), `files/...`, `tables/<table>/<number>.jsonl` (a row a line, its values in
the order of the columns), `end.json` (how many of each, and the sums of their SHA-256). Whoever makes one has the
server stopped. It holds the server's keys: whoever has it is the server.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fanfold.errors import BadInput
from fanfold.ports.tables import ReadTables, Row, Tables

FORMAT = 1
HEAD, END = "fanfold.json", "end.json"
FILES, TABLES = "files", "tables"
IMPORTED = "import.part"
"""Where an import gathers what it has read, until all of it is right."""

LEFT_OUT = frozenset(
    {"fanfold.db", "fanfold.db-wal", "fanfold.db-shm", "fanfold.lock", IMPORTED}
    | {"ballast", "environments", "private-images", "pushes", "scratch"}
)
"""What of a state folder is not moved: the database, which goes row by row, and what is made again."""

PART_BYTES = 4 * 1024 * 1024
_SUMS = 2**256


@dataclass(slots=True)
class Tally:
    """How many things there were, and the sum of their SHA-256, which is the same in whatever order they came."""

    count: int = 0
    total: int = 0

    def add(self, data: bytes) -> None:
        """One more."""
        self.count += 1
        self.total = (self.total + int.from_bytes(hashlib.sha256(data).digest(), "big")) % _SUMS

    def told(self) -> dict[str, Any]:
        """As it stands in `end.json`."""
        return {"count": self.count, "sum": f"{self.total:064x}"}


@dataclass(slots=True)
class Moved:
    """What was moved; `passed_over` are things that are no files, such as sockets."""

    rows: dict[str, Tally] = field(default_factory=dict)
    files: Tally = field(default_factory=Tally)
    size_bytes: int = 0
    passed_over: list[str] = field(default_factory=list)

    def end(self) -> dict[str, Any]:
        """What `end.json` holds."""
        return {"tables": {name: tally.told() for name, tally in self.rows.items()}, "files": self.files.told()}


def export(tables: Tables, root: Path, release: str, out: IO[bytes]) -> Moved:
    """Write everything to `out`, which needs no seeking. Raises BadInput for a file that cannot be read."""
    moved = Moved()
    with tables.reading() as read, tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        head = {"format": FORMAT, "release": release, "schema": read.schema(), "root": str(root)}
        _add(tar, HEAD, json.dumps(head | {"tables": read.columns()}, indent=1).encode())
        for name in sorted(os.listdir(root)):
            if name not in LEFT_OUT:
                _add_tree(tar, root, name, moved)
        for table in read.columns():
            _add_table(tar, read, table, moved)
        _add(tar, END, json.dumps(moved.end(), indent=1).encode())
    return moved


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _add_table(tar: tarfile.TarFile, read: ReadTables, table: str, moved: Moved) -> None:
    tally = moved.rows[table] = Tally()
    part, number = bytearray(), 1
    for row in read.rows(table):
        line = line_of(row)
        tally.add(line)
        part += line + b"\n"
        if len(part) >= PART_BYTES:
            _add(tar, f"{TABLES}/{table}/{number:06}.jsonl", bytes(part))
            part, number = bytearray(), number + 1
    if part:
        _add(tar, f"{TABLES}/{table}/{number:06}.jsonl", bytes(part))


def line_of(row: Row) -> bytes:
    """A row as a line of JSON; bytes, which JSON has not, as an object with their base64."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_bytes_json).encode()


def _bytes_json(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is no value of a row")
    return {"base64": base64.b64encode(value).decode()}


def row_of(line: bytes) -> Row:
    """The row of a line; ValueError for anything else."""
    row = json.loads(line, object_hook=lambda found: base64.b64decode(found["base64"], validate=True))
    if not isinstance(row, list) or any(isinstance(value, list) for value in row):
        raise ValueError("not a list of values")
    return row


def _add_tree(tar: tarfile.TarFile, root: Path, name: str, moved: Moved) -> None:
    """A file, or a folder with all in it; links are moved as links and never followed."""
    path = root / name
    try:
        if path.is_symlink() or not path.is_dir():
            folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                _add_entry(tar, folder, name, name, moved)
            finally:
                os.close(folder)
            return
        for place, folders, files, folder in os.fwalk(path, onerror=_raised, follow_symlinks=False):
            below = os.path.relpath(place, root)
            _add_folder(tar, below, os.fstat(folder), moved)
            folders.sort()
            links = [one for one in folders if stat.S_ISLNK(os.lstat(one, dir_fd=folder).st_mode)]
            for one in sorted([*files, *links]):
                _add_entry(tar, folder, one, f"{below}/{one}", moved)
    except OSError as err:
        raise BadInput(f"'{err.filename or path}' cannot be read: {err.strerror or err}") from err


def _raised(error: OSError) -> None:
    raise error


def _add_folder(tar: tarfile.TarFile, name: str, info: os.stat_result, moved: Moved) -> None:
    entry = _entry(name, info, tarfile.DIRTYPE)
    tar.addfile(entry)
    moved.files.add(entry_line(name, "folder", ""))


def _add_entry(tar: tarfile.TarFile, folder: int, base: str, name: str, moved: Moved) -> None:
    info = os.lstat(base, dir_fd=folder)
    if stat.S_ISLNK(info.st_mode):
        entry = _entry(name, info, tarfile.SYMTYPE)
        entry.linkname = os.readlink(base, dir_fd=folder)
        tar.addfile(entry)
        moved.files.add(entry_line(name, "link", entry.linkname))
    elif stat.S_ISREG(info.st_mode):
        descriptor = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            entry = _entry(name, os.fstat(descriptor), tarfile.REGTYPE)
            hashed = Hashed(file)
            tar.addfile(entry, hashed)
        moved.files.add(entry_line(name, "file", hashed.hexdigest()))
        moved.size_bytes += entry.size
    else:
        moved.passed_over.append(name)


def _entry(name: str, info: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f"{FILES}/{name}")
    entry.type, entry.mode, entry.mtime = kind, stat.S_IMODE(info.st_mode) & 0o777, info.st_mtime
    entry.size = info.st_size if kind == tarfile.REGTYPE else 0
    return entry


def entry_line(name: str, kind: str, content: str) -> bytes:
    """What is summed up of a file: its name, what it is, and its SHA-256 or where it leads."""
    return f"{name}\0{kind}\0{content}".encode("utf-8", "surrogateescape")


class Hashed(io.RawIOBase):
    """A file whose SHA-256 is known once it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Some bytes of it."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        """The SHA-256 of what was read."""
        return self._hash.hexdigest()


def lines_of(data: bytes) -> Iterator[bytes]:
    """The lines of a part."""
    yield from (line for line in data.split(b"\n") if line)


def in_groups(rows: Sequence[Row], most: int) -> Iterator[Sequence[Row]]:
    """Rows, some at a time."""
    yield from (rows[first : first + most] for first in range(0, len(rows), most))
