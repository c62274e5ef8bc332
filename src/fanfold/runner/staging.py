"""Stage in and stage out: files to the program's folders by link or in-kernel copy, results back by rename.

The host never follows a path that user code made: results are walked relative to directory descriptors, links and
special files are refused, and modes are set by us. Order of a publication: fsync of every file, rename of the folder
to its final name, fsync of the folder that holds it; then, elsewhere, the commit that decides who won.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fanfold.effects import COPY_BYTES, Effects, begin_writing, copy_bytes, enough_space, etag_of
from fanfold.errors import BadInput, OutOfSpace, Unavailable
from fanfold.jobs.chunks import Chunk, FileChunk, RangeChunk
from fanfold.jobs.models import ResultFile, ResultManifest
from fanfold.ports.executor import Input, RangeRequest, RunOrder
from fanfold.runner.disk_use import size_text

FETCH_WITHIN_S = 6 * 3600.0
INLINE_FILES = 100
MANIFEST_FILE = ".fanfold-manifest.jsonl"
"""Lists the files of a result with more than INLINE_FILES, one JSON array [path, size_bytes, sha256] a line."""

SMALL_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_PATH_BYTES = 1024
FOLDER_MODE = 0o755
_FSYNC_EACH = 64
_READ_BYTES = 1 << 20


class ChunkChanged(Exception):
    """A source or chunk file is not what it was when the chunks were made."""


class SourceAway(Exception):
    """The server that a chunk's range is fetched from does not give it: a sentence."""


class BadResult(Exception):
    """The program left something that is not a result: a sentence."""


class TooLarge(Exception):
    """The result is larger than a program's folders may be: a sentence."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What a program was given: files and their folders, and the bytes in them."""

    entries: int = 0
    size_bytes: int = 0


def stage_in(order: RunOrder, target: Path, effects: Effects, unwanted: Callable[[], bool]) -> Staged:
    """Put the program's input into `target`. `unwanted` is asked again and again where that takes long, which then ends
    early. Raises ChunkChanged, SourceAway, OutOfSpace."""
    entries, total = 0, 0
    for item in _inputs(order):
        place = target / item.name
        if place.parent != target and not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            entries += len(place.parent.relative_to(target).parts)
        try:
            total += _stage(order, item, place, effects, unwanted)
            entries += 1
        except (FileNotFoundError, PermissionError, EOFError) as err:
            where = item.location or (item.chunk.key if isinstance(item.chunk, FileChunk) else item.name)
            raise ChunkChanged(f"'{where}' cannot be read any more: {err}") from err
    return Staged(entries, total)


def _stage(order: RunOrder, item: Input, place: Path, effects: Effects, unwanted: Callable[[], bool]) -> int:
    if item.request is not None:
        assert isinstance(item.chunk, RangeChunk)
        effects.about_to("fetch", place.name)
        _fetch(item.request, item.chunk, place, unwanted)
        return item.chunk.size_bytes
    if item.chunk is not None:
        return _stage_chunk(order, item.chunk, place, effects)
    if not item.location:
        place.touch()
        return 0
    source = Path(order.folder, item.location)
    if Path(item.location).is_absolute():  # a user's own file: a program that writes into it must not change it
        with enough_space(place):
            effects.copy(source, place)
    else:
        effects.link_or_copy(source, place)
    return source.stat().st_size


def _inputs(order: RunOrder) -> Iterable[Input]:
    yield from order.inputs
    if order.inputs_file:
        with open(order.inputs_file, encoding="utf-8") as lines:
            for line in lines:
                data = json.loads(line)
                yield Input(data["name"], data["location"])


def _stage_chunk(order: RunOrder, chunk: Chunk, place: Path, effects: Effects) -> int:
    if isinstance(chunk, FileChunk):
        source = Path(order.folder, chunk.key)
        if source.stat().st_size != chunk.size_bytes:
            raise ChunkChanged(
                f"chunk file '{chunk.key}' had {chunk.size_bytes} bytes when it was made and has not now"
            )
        effects.link_or_copy(source, place)
    else:
        _stage_range(chunk, place, effects)
    return chunk.size_bytes


def _fetch(request: RangeRequest, chunk: RangeChunk, place: Path, unwanted: Callable[[], bool]) -> None:
    from fanfold.net.ranges import ContentChanged, RangeClient  # most runners never need it, and it takes 60 ms

    client = RangeClient(request, chunk.etag, FETCH_WITHIN_S)
    try:
        with enough_space(place), open(place, "wb", buffering=COPY_BYTES) as target:
            target.write(chunk.prefix)
            target.writelines(client.pieces(chunk.offset, chunk.length, unwanted))
            target.write(chunk.suffix)
    except ContentChanged as err:
        raise ChunkChanged(str(err)) from err
    except OutOfSpace:
        raise
    except (BadInput, Unavailable) as err:
        raise SourceAway(str(err)) from err
    finally:
        client.close()


def _stage_range(chunk: RangeChunk, place: Path, effects: Effects) -> None:
    effects.about_to("copy", place.name)
    if not chunk.location:
        with enough_space(place):
            place.write_bytes(chunk.prefix + chunk.suffix)
        return
    try:
        source = os.open(chunk.location, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as err:
        raise ChunkChanged(f"the source '{chunk.location}' is gone") from err
    try:
        if etag_of(os.fstat(source)) != chunk.etag:
            raise ChunkChanged(f"the source '{chunk.location}' was changed after it was split")
        with enough_space(place), open(place, "wb", buffering=0) as target:
            target.write(chunk.prefix)
            copy_bytes(source, target.fileno(), chunk.offset, chunk.length)
            target.write(chunk.suffix)
    finally:
        os.close(source)


def stage_out(
    made: Path, published: Path, effects: Effects, hashed: bool, most_bytes: int | None = None
) -> ResultManifest:
    """Publish what a program left in `made` under its final name; safe against anything that may lie there.

    Raises BadResult and publishes nothing where it holds a link, a special file or an unspeakable name; TooLarge where
    its files have more than `most_bytes` together, holes counted.
    """
    files = sorted(_Taking(hashed, most_bytes).files(made), key=lambda file: file.path)
    manifest = ResultManifest(len(files), sum(file.size_bytes for file in files), tuple(files))
    if len(files) > INLINE_FILES:
        _write_list(made, files)
        manifest = ResultManifest(manifest.count, manifest.size_bytes, None)
    _sync(made, files, effects)
    effects.rename(made, published)
    effects.fsync_folder(published.parent)
    return manifest


def is_small(made: Path) -> bool:
    """Whether a result is published in a moment: at most 64 files, no folders, 16 MiB."""
    try:
        folder = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        with os.scandir(folder) as entries:
            sizes = [_size(entry) for entry in itertools.islice(entries, _FSYNC_EACH + 1)]
    finally:
        os.close(folder)
    return len(sizes) <= _FSYNC_EACH and sum(sizes) <= SMALL_BYTES


def _size(entry: os.DirEntry[str]) -> float:
    return entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else math.inf


def manifest_files(manifest: ResultManifest, published: Path) -> Iterator[ResultFile]:
    """The files of a result, wherever they are listed; streamed."""
    if manifest.files is not None:
        yield from manifest.files
        return
    with open(published / MANIFEST_FILE, encoding="utf-8") as lines:
        for line in lines:
            yield ResultFile(*json.loads(line))


def _write_list(made: Path, files: Iterable[ResultFile]) -> None:
    with open(made / MANIFEST_FILE, "w", encoding="utf-8") as target:
        target.writelines(json.dumps([file.path, file.size_bytes, file.sha256]) + "\n" for file in files)


class _Taking:
    """Takes the files of one result."""

    def __init__(self, hashed: bool, most_bytes: int | None) -> None:
        self._hashed = hashed
        self._most_bytes = most_bytes
        self._size_bytes = 0

    def files(self, made: Path) -> Iterator[ResultFile]:
        """All of them, made readable."""
        top = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield from self._walked(top, "", 0)
        finally:
            os.close(top)

    def _walked(self, folder: int, prefix: str, depth: int) -> Iterator[ResultFile]:
        if depth > MAX_DEPTH:
            raise BadResult(f"folders in the result are nested deeper than {MAX_DEPTH}")
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            path = f"{prefix}{name}"
            _check_name(name, path, depth)
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(info.st_mode):
                yield self._file(folder, name, path)
            elif stat.S_ISDIR(info.st_mode):
                os.chmod(name, FOLDER_MODE, dir_fd=folder)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    yield from self._walked(inner, f"{path}/", depth + 1)
                finally:
                    os.close(inner)
            else:
                raise BadResult(f"the result has '{path}', which is neither a file nor a folder")

    def _file(self, folder: int, name: str, path: str) -> ResultFile:
        # A program may leave files that even their owner cannot read.
        os.chmod(name, 0o644, dir_fd=folder)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            size = os.fstat(descriptor).st_size
            self._add(size)
            if size >= _READ_BYTES:  # the disk works while the bytes are hashed
                begin_writing(descriptor)
            return ResultFile(path, size, _sha256(descriptor) if self._hashed else "")
        finally:
            os.close(descriptor)

    def _add(self, size: int) -> None:
        self._size_bytes += size
        if self._most_bytes is not None and self._size_bytes > self._most_bytes:
            raise TooLarge(f"disk limit: its result is too large (limit {size_text(self._most_bytes)})")


def _check_name(name: str, path: str, depth: int) -> None:
    if depth == 0 and name == MANIFEST_FILE:
        raise BadResult(f"the result has a file called '{MANIFEST_FILE}': that name is reserved")
    try:
        size = len(path.encode())
    except UnicodeEncodeError as err:
        raise BadResult(f"the result has a file whose name is not UTF-8: {path!r}") from err
    if size > MAX_PATH_BYTES:
        raise BadResult(
            f"the result has a path of {size} bytes, at most {MAX_PATH_BYTES} bytes are taken: {path[:80]}..."
        )
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise BadResult(f"the result has a file with a control character in its name: {path!r}")


def _sha256(descriptor: int) -> str:
    digest = hashlib.sha256()
    while data := os.read(descriptor, _READ_BYTES):
        digest.update(data)
    return digest.hexdigest()


def _sync(made: Path, files: list[ResultFile], effects: Effects) -> None:
    """Bring a result to disk: file by file when they are few, by one call for the file system when many."""
    if len(files) > _FSYNC_EACH:
        effects.sync_disk_of(made)
        return
    folders = {made}
    for file in files:
        place = made / file.path
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            effects.fsync(descriptor, file.path)
        finally:
            os.close(descriptor)
        folders.update(parent for parent in place.parents if parent.is_relative_to(made))
    for folder in folders:
        effects.fsync_folder(folder)
