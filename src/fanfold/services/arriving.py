"""The other end of `moving`: a stream becomes the rows of an empty database and the files of an empty state folder.

All of it or nothing: files are gathered in `import.part`, rows in one transaction, and both are read again and compared
with the sums of the stream before they count. What a killed import left is removed by the next one.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fanfold.effects import DISK_IS_FULL, Effects, etag_of
from fanfold.errors import BadInput, Broken, Conflict, OutOfSpace
from fanfold.ports.tables import NewTables, Row, Tables
from fanfold.services.moving import (
    END,
    FILES,
    FORMAT,
    HEAD,
    IMPORTED,
    LEFT_OUT,
    TABLES,
    Hashed,
    Moved,
    Tally,
    entry_line,
    in_groups,
    line_of,
    lines_of,
    row_of,
)

NAMES = "names.json"
MOST_PART_BYTES = 1024**3
COPY_BYTES = 1024 * 1024
ROWS_AT_ONCE = 1000
LISTS = ("source.jsonl", "plan.jsonl", "inputs.jsonl")
"""Files of a job that name other files of the state folder by their whole path."""

KEPT_ASIDE = frozenset({"fanfold.db", "fanfold.db-wal", "fanfold.db-shm", "fanfold.lock", IMPORTED})


def problem_of(root: Path) -> str:
    """Why nothing may use a state folder yet; "" where it may be used."""
    if not (root / IMPORTED).exists():
        return ""
    return f"an import into '{root}' was cut short. Type it again (fanfold import ...), and it begins anew"


def arrive(tables: Tables, root: Path, effects: Effects, source: IO[bytes]) -> Moved:
    """Read everything from `source`, which needs no seeking. Raises BadInput for what is not whole or not ours,
    Conflict where the target is not empty; then nothing of it is there."""
    _make_room(tables, root, effects)
    staged = root / IMPORTED
    try:
        effects.make_folder(staged / FILES)
        with tarfile.open(fileobj=source, mode="r|", format=tarfile.PAX_FORMAT) as tar:
            return _Arrival(tables, root, effects, tar).run()
    except (tarfile.TarError, EOFError, ValueError, RecursionError, OverflowError) as err:
        _clear(root, effects)
        raise BadInput(f"this is no export of Fanfold, or not all of it: {err}", hint="Export again.") from err
    except OSError as err:
        _clear(root, effects)
        if err.errno in DISK_IS_FULL:
            raise OutOfSpace(f"the disk that holds '{root}' is full", hint="Free some space and import again.") from err
        raise BadInput(f"'{err.filename or root}' cannot be imported: {err.strerror or err}") from err
    except BaseException:
        _clear(root, effects)
        raise


def _make_room(tables: Tables, root: Path, effects: Effects) -> None:
    """Finish or undo what an earlier import left; Conflict where there is something else."""
    if not tables.is_empty():
        if (root / IMPORTED).exists() and (root / IMPORTED / NAMES).exists():
            effects.remove_tree(root / IMPORTED)
            raise Conflict(
                "the import was done already, but for its last step, which is done now.", hint="Start the server."
            )
        hint = "Name a new database, and a new folder (--state)."
        raise Conflict("the database is not empty; an import needs one without any row.", hint=hint)
    _clear(root, effects)
    if left := sorted(name for name in os.listdir(root) if name not in KEPT_ASIDE):
        found = ", ".join(f"'{name}'" for name in left[:3])
        raise Conflict(f"the state folder '{root}' is not empty: it has {found}.", hint="Name a new folder (--state).")


def _clear(root: Path, effects: Effects) -> None:
    """Remove what an import put into a folder; safe to repeat."""
    staged = root / IMPORTED
    with suppress(FileNotFoundError):
        for name in json.loads((staged / NAMES).read_bytes()):
            effects.remove_tree(root / PurePosixPath(name).name)
    effects.remove_tree(staged)


class _Arrival:
    """One import."""

    def __init__(self, tables: Tables, root: Path, effects: Effects, tar: tarfile.TarFile) -> None:
        self._tables = tables
        self._root = root
        self._staged = root / IMPORTED / FILES
        self._effects = effects
        self._tar = tar
        self._moved = Moved()
        self._links: list[tuple[Path, str]] = []
        self._times: list[tuple[Path, float, int]] = []
        self._old_root = ""

    def run(self) -> Moved:
        """All of it."""
        members = iter(self._tar)
        head = self._head(next(members, None))
        first_part = self._take_files(members)
        self._settle_files()
        with self._tables.making(head["schema"]) as new:
            written = self._take_tables(new, members, first_part, head["tables"])
            _check_rows(new, written)
            new.go_on_counting()
            new.bring_up_to_date()
            self._put_in_place()
        self._effects.remove_tree(self._root / IMPORTED)
        return self._moved

    def _head(self, member: tarfile.TarInfo | None) -> dict[str, Any]:
        head = self._json(member, HEAD)
        if head.get("format") != FORMAT:
            found = f"has the form {head.get('format')!r} of release {head.get('release')!r}; this one reads {FORMAT}"
            raise BadInput(f"the export {found}.", hint="Import it with a newer release.")
        tables = head.get("tables")
        listed = isinstance(tables, dict) and all(isinstance(columns, list) for columns in tables.values())
        if not isinstance(head.get("schema"), str) or not listed:
            raise BadInput(f"the export is damaged: its '{HEAD}' does not say what follows.", hint="Export again.")
        self._old_root = str(head.get("root", ""))
        return head

    def _json(self, member: tarfile.TarInfo | None, name: str) -> dict[str, Any]:
        if member is None or member.name != name:
            raise BadInput(
                f"this is no export of Fanfold, or not all of it: '{name}' is missing.", hint="Export again."
            )
        try:
            found = json.loads(self._data(member))
        except ValueError as err:
            raise BadInput(f"the export is damaged: '{name}' is not JSON: {err}", hint="Export again.") from err
        if not isinstance(found, dict):
            raise BadInput(f"the export is damaged: '{name}' is not an object.", hint="Export again.")
        return found

    def _data(self, member: tarfile.TarInfo) -> bytes:
        file = self._tar.extractfile(member)
        if file is None or member.size > MOST_PART_BYTES:
            raise BadInput(f"the export is damaged: '{member.name[:100]}' is no part of one.", hint="Export again.")
        return file.read()

    # ---- files

    def _take_files(self, members: Iterator[tarfile.TarInfo]) -> tarfile.TarInfo | None:
        """Stage the files; the first member that is none."""
        for member in members:
            if not member.name.startswith(f"{FILES}/"):
                return member
            self._take_file(member)
        return None

    def _take_file(self, member: tarfile.TarInfo) -> None:
        name = _safe(member.name.removeprefix(f"{FILES}/"))
        path = self._staged / name
        if member.isdir():
            self._effects.make_folder(path)
            self._times.append((path, member.mtime, member.mode & 0o777))
            self._moved.files.add(entry_line(name, "folder", ""))
        elif member.issym():
            self._links.append((path, member.linkname))
            self._moved.files.add(entry_line(name, "link", member.linkname))
        elif member.isreg():
            self._write(member, path, name)
        else:
            raise BadInput(f"the export holds '{name[:100]}', which is neither file, folder nor link")

    def _write(self, member: tarfile.TarInfo, path: Path, name: str) -> None:
        file = self._tar.extractfile(member)
        assert file is not None
        hashed = Hashed(file)
        self._effects.about_to("write", path.name)
        with open(path, "xb", opener=_private) as target:
            while data := hashed.read(COPY_BYTES):
                target.write(data)
            os.fchmod(target.fileno(), member.mode & 0o777)
        os.utime(path, (member.mtime, member.mtime))
        self._moved.files.add(entry_line(name, "file", hashed.hexdigest()))
        self._moved.size_bytes += member.size

    def _settle_files(self) -> None:
        """Links, the lists of jobs that name files by their place, modes of folders; then all is on disk."""
        for path, target in self._links:
            os.symlink(target, path)
        for path in sorted(self._staged.glob("jobs/*/*.jsonl")):
            if path.name in LISTS and not path.is_symlink():
                self._rehome_list(path)
        for path, at, mode in reversed(self._times):
            os.chmod(path, mode)
            os.utime(path, (at, at))
        self._effects.sync_disk_of(self._staged)

    def _rehome_list(self, path: Path) -> None:
        if self._old_root.encode() not in path.read_bytes():
            return
        with open(path, encoding="utf-8") as lines, self._effects.new_file(path, lasting=False) as new:
            for line in lines:
                new.write(json.dumps(self._rehomed(json.loads(line)), separators=(",", ":")).encode() + b"\n")

    def _rehomed(self, found: Any) -> Any:
        """A file of the old state folder as the one of the new: its place, and what tells whether it was changed."""
        if not isinstance(found, dict) or not isinstance(place := found.get("location"), str):
            return found
        if not self._old_root or not place.startswith(f"{self._old_root}/"):
            return found
        name = _safe(place.removeprefix(f"{self._old_root}/"))
        found["location"] = str(self._root / name)
        if "etag" in found and (self._staged / name).is_file():
            found["etag"] = etag_of(os.stat(self._staged / name))
        return found

    def _put_in_place(self) -> None:
        names = sorted(os.listdir(self._staged))
        self._effects.write_file(self._root / IMPORTED / NAMES, json.dumps(names).encode())
        for name in names:
            self._effects.rename(self._staged / name, self._root / name)
        self._effects.fsync_folder(self._root)

    # ---- rows

    def _take_tables(
        self, new: NewTables, members: Iterator[tarfile.TarInfo], first: tarfile.TarInfo | None, columns: dict[str, Any]
    ) -> dict[str, Tally]:
        """Write the rows and compare everything with `end.json`; what was written, to be compared later."""
        self._moved.rows = {table: Tally() for table in columns}
        written = {table: Tally() for table in columns}
        member = first
        while member is not None and member.name.startswith(f"{TABLES}/"):
            table = member.name.split("/")[1]
            if table not in columns:
                raise BadInput(
                    f"the export is damaged: it has rows of '{table[:100]}' unannounced.", hint="Export again."
                )
            rows = [self._row(columns[table], line, table) for line in lines_of(self._data(member))]
            for row in rows:
                written[table].add(line_of(row))
            for some in in_groups(rows, ROWS_AT_ONCE):
                new.insert(table, columns[table], some)
            member = next(members, None)
        if self._json(member, END) != self._moved.end():
            raise BadInput("the export is damaged: its rows or files are not those it says.", hint="Export again.")
        return written

    def _row(self, columns: list[str], line: bytes, table: str) -> Row:
        self._moved.rows[table].add(line)
        try:
            row = row_of(line)
        except (ValueError, KeyError, TypeError) as err:
            raise BadInput(f"the export is damaged: a row of '{table}': {err}", hint="Export again.") from err
        if table == "tasks" and "chunk" in columns:
            at = columns.index("chunk")
            if at < len(row) and isinstance(chunk := row[at], str) and self._old_root in chunk:
                row[at] = json.dumps(self._rehomed(json.loads(chunk)))
        return [_without_nul(value) for value in row]


def _without_nul(value: Any) -> Any:
    """PostgreSQL takes no character 0 in a text; SQLite does."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and "\0" in value else value


def _check_rows(new: NewTables, written: dict[str, Tally]) -> None:
    """What the database now holds is what was written to it."""
    for table, tally in written.items():
        found = Tally()
        for row in new.rows(table):
            found.add(line_of(row))
        if found != tally:
            said = f"{found.count} rows of '{table}' came back of {tally.count} that were written, or others"
            raise Broken(f"the database does not keep what it is given: {said}")


def _safe(name: str) -> str:
    """A name below the state folder; BadInput for one that leads elsewhere."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\0" in name or parts[0] in LEFT_OUT:
        raise BadInput(f"the export holds the name '{name[:100]}', which has no place in a state folder")
    return name


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
