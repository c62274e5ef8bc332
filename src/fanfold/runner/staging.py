"""Stage in and stage out: files to the program's folders by link or in-kernel copy, results back by rename.

The host never follows a path that user code made: results are walked relative to directory descriptors, links and
special files are refused, and modes are set by us. A publication is the storage's own (`ports.blobs`) and lasts when it
is told; then, elsewhere, the commit decides who won.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.effects import COPY_BYTES, Effects, begin_writing, copy_bytes, enough_space, etag_of, part_of
from fanfold.errors import BadInput, OutOfSpace, Unavailable
from fanfold.jobs.chunks import STORED, Chunk, FileChunk, RangeChunk
from fanfold.jobs.models import ResultFile, ResultManifest
from fanfold.ports.blobs import Blobs
from fanfold.ports.executor import Input, RangeRequest, RunOrder
from fanfold.runner.disk_use import size_text

FETCH_WITHIN_S = 6 * 3600.0
INLINE_FILES = 100
MANIFEST_FILE = ".fanfold-manifest.jsonl"
"""Lists the files of a result with more than INLINE_FILES, one JSON array [path, size_bytes, sha256] a line."""

MAX_DEPTH = 64
MAX_PATH_BYTES = 1024
FOLDER_MODE = 0o755
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


@dataclass(frozen=True, slots=True)
class _Hands:
    """What staging in works with; `home` is the job's folder, `copied` says that nothing may be a link."""

    home: Path
    effects: Effects
    unwanted: Callable[[], bool]
    blobs: Blobs
    copied: bool

    def place(self, path: Path, place: Path) -> int:
        """Put a stored file there; its size. A link would let who may write to one name change the stored file."""
        size_bytes = self.blobs.place(path, place)
        if self.copied and os.stat(place).st_nlink > 1:
            part = part_of(place)
            with enough_space(place):
                self.effects.copy(place, part)
            self.effects.rename(part, place)
        return size_bytes


def stage_in(
    order: RunOrder,
    target: Path,
    effects: Effects,
    unwanted: Callable[[], bool],
    blobs: Blobs,
    *,
    copied: bool = False,
) -> Staged:
    """Put the program's input into `target`: links to stored files, where it may not write to those, or copies.

    `unwanted` is asked again and again where that takes long, which then ends early. Raises ChunkChanged, SourceAway,
    OutOfSpace; Unavailable where the job storage does not answer."""
    hands = _Hands(blobs.at(order.folder), effects, unwanted, blobs, copied)
    entries, total = 0, 0
    for size_bytes, folders in _all_staged(order, target, hands):
        entries, total = entries + 1 + folders, total + size_bytes
    return Staged(entries, total)


def _all_staged(order: RunOrder, target: Path, hands: _Hands) -> Iterator[tuple[int, int]]:
    """The bytes of each input, and how many folders were made for it. Several are asked for at the same time where the
    storage is elsewhere."""
    at_once = hands.blobs.at_once
    if at_once == 1 or not order.inputs_file:
        for item in _inputs(order, hands.blobs):
            yield _placed(item, target, hands)
        return
    with ThreadPoolExecutor(at_once, "fanfold-stage-in") as workers:
        under_way: deque[Future[tuple[int, int]]] = deque()
        try:
            for item in _inputs(order, hands.blobs):
                under_way.append(workers.submit(_placed, item, target, hands))
                if len(under_way) > 2 * at_once:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)


def _placed(item: Input, target: Path, hands: _Hands) -> tuple[int, int]:
    place, folders = target / item.name, 0
    if place.parent != target and not place.parent.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        folders = len(place.parent.relative_to(target).parts)
    try:
        return _stage(item, place, hands), folders
    except (FileNotFoundError, PermissionError, EOFError) as err:
        where = item.location or (item.chunk.key if isinstance(item.chunk, FileChunk) else item.name)
        raise ChunkChanged(f"'{where}' cannot be read any more: {err}") from err


def _stage(item: Input, place: Path, hands: _Hands) -> int:
    if item.request is not None:
        assert isinstance(item.chunk, RangeChunk)
        hands.effects.about_to("fetch", place.name)
        _fetch(item.request, item.chunk, place, hands.unwanted)
        return item.chunk.size_bytes
    if item.chunk is not None:
        return _stage_chunk(item.chunk, place, hands)
    if not item.location:
        place.touch()
        return 0
    if item.location.startswith(STORED):
        return hands.place(hands.blobs.at(item.location.removeprefix(STORED)), place)
    if Path(item.location).is_absolute():  # a user's own file: a program that writes into it must not change it
        source = Path(item.location)
        with enough_space(place):
            hands.effects.copy(source, place)
        return source.stat().st_size
    return hands.place(hands.home / item.location, place)


def _inputs(order: RunOrder, blobs: Blobs) -> Iterable[Input]:
    yield from order.inputs
    if order.inputs_file:
        for row in json_lines(blobs, blobs.at(order.inputs_file)):
            yield Input(row["name"], row["location"])


def _stage_chunk(chunk: Chunk, place: Path, hands: _Hands) -> int:
    if isinstance(chunk, FileChunk):
        if hands.place(hands.home / chunk.key, place) != chunk.size_bytes:
            raise ChunkChanged(
                f"chunk file '{chunk.key}' had {chunk.size_bytes} bytes when it was made and has not now"
            )
    elif chunk.stored:
        with enough_space(place), open(place, "wb", buffering=0) as target:
            target.write(chunk.prefix)
            hands.blobs.copy_range(hands.blobs.at(chunk.stored), chunk.offset, chunk.length, target.fileno())
            target.write(chunk.suffix)
    else:
        _stage_range(chunk, place, hands.effects)
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
    with contextlib.ExitStack() as opened:
        source = _opened_source(chunk, opened) if chunk.location else None
        with enough_space(place), open(place, "wb", buffering=0, opener=_over) as target:
            if chunk.prefix:
                target.write(chunk.prefix)
            if source is not None:
                copy_bytes(source, target.fileno(), chunk.offset, chunk.length)
            if chunk.suffix:
                target.write(chunk.suffix)
            if os.fstat(target.fileno()).st_size > chunk.size_bytes:  # an earlier chunk was larger
                target.truncate(chunk.size_bytes)


def _opened_source(chunk: RangeChunk, opened: contextlib.ExitStack) -> int:
    """The file that a range lies in, as it was when it was split."""
    try:
        source = os.open(chunk.location, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as err:
        raise ChunkChanged(f"the source '{chunk.location}' is gone") from err
    opened.callback(os.close, source)
    if etag_of(os.fstat(source)) != chunk.etag:
        raise ChunkChanged(f"the source '{chunk.location}' was changed after it was split")
    return source


def _over(path: str, flags: int) -> int:
    """Open a file to be written over, if it is there: emptied files may be brought to disk at once when closed."""
    return os.open(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW, 0o666)


@dataclass(frozen=True, slots=True)
class Taken:
    """A result that was looked at and may be published: what it is, and the names of its files."""

    manifest: ResultManifest
    names: tuple[str, ...]


def take_result(made: Path, hashed: bool, most_bytes: int | None = None) -> Taken:
    """Look at what a program left in `made`; safe against anything that may lie there.

    Raises BadResult where it holds a link, a special file or an unspeakable name; TooLarge where its files have more
    than `most_bytes` together, holes counted.
    """
    files = sorted(_Taking(hashed, most_bytes).files(made), key=lambda file: file.path)
    manifest = ResultManifest(len(files), sum(file.size_bytes for file in files), tuple(files))
    names = [file.path for file in files]
    if len(files) > INLINE_FILES:
        _write_list(made, files)
        manifest = ResultManifest(manifest.count, manifest.size_bytes, None)
        names.append(MANIFEST_FILE)
    return Taken(manifest, tuple(names))


def manifest_files(manifest: ResultManifest, published: Path, blobs: Blobs) -> Iterator[ResultFile]:
    """The files of a result, wherever they are listed; streamed."""
    if manifest.files is not None:
        yield from manifest.files
        return
    for row in json_lines(blobs, published / MANIFEST_FILE):
        yield ResultFile(*row)


def json_lines(blobs: Blobs, path: Path) -> Iterator[Any]:
    """The rows of a blob of JSON Lines, streamed."""
    with blobs.open(path) as lines:
        for line in lines:
            yield json.loads(line)


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
            info = os.fstat(descriptor)
            if info.st_uid != os.getuid():  # later programs are given links to it, and may be the user that made it
                os.fchown(descriptor, os.getuid(), os.getgid())
            size = info.st_size
            self._add(size)
            if size:  # the disk works while bytes are hashed and other results looked at
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
