"""The one thin module of side effects: transaction, write, fsync, rename, link, remove, spawn.

Everything the core does to the world passes here, so that one place can count it (the kill sweep), replace it (the
simulation) and time it (metrics). `Effects.about_to` is called just before each effect; the default does nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fanfold.errors import OutOfSpace, Unavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

COPY_BYTES = 8 * 1024 * 1024
_SYNC_FILE_RANGE_WRITE = 2
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
HELD_LOOK_S = 0.05


class Effects:
    """The real ones."""

    def about_to(self, kind: str, what: str) -> None:
        """Called before each effect with its kind and what it touches."""

    @contextlib.contextmanager
    def transaction(self, what: str) -> Iterator[None]:
        """Around the statements of one transaction; leaving it commits, which is the effect that counts."""
        yield
        self.about_to("commit", what)

    def write_file(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        """Write a small file whole: temporary name, fsync, rename, fsync of the folder; the umask narrows `mode`."""
        part = part_of(path)
        self.about_to("write", path.name)
        with enough_space(path), open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            self.fsync(file.fileno(), path.name)
        self.rename(part, path)
        self.fsync_folder(path.parent)

    @contextlib.contextmanager
    def new_file(self, path: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
        """A file to be written in pieces that appears whole: as `write_file`, when the block is left without error.
        One that is not `lasting` may be gone or cut after a loss of power; `sync_disk_of` makes many last at once."""
        part = part_of(path)
        self.about_to("write", path.name)
        with enough_space(path), _new(part) as file:
            yield file
            file.flush()
            if lasting:
                self.fsync(file.fileno(), path.name)
            ours = os.fstat(file.fileno()).st_ino
        if part.lstat().st_ino != ours:
            raise Unavailable(f"another process writes '{path}' meanwhile")
        self.rename(part, path)
        if lasting:
            self.fsync_folder(path.parent)

    def write_passing(self, path: Path, data: Buffer) -> os.stat_result:
        """Write one of many small files; what it is then. It has its name from the start and may be lost with the
        power: who lists such files calls `sync_disk_of` first. A file that it replaces keeps its other names."""
        self.about_to("write", path.name)
        with enough_space(path), _new(path) as file:
            file.write(data)
            file.flush()
            return os.fstat(file.fileno())

    def reserve(self, path: Path, size_bytes: int) -> None:
        """Make a file that takes up `size_bytes` of its disk and holds nothing."""
        self.about_to("write", path.name)
        with enough_space(path), open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)

    def fsync(self, descriptor: int, what: str) -> None:
        """Bring a file's bytes to disk."""
        self.about_to("fsync", what)
        os.fsync(descriptor)

    def fsync_folder(self, folder: Path) -> None:
        """Bring a folder's names to disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(descriptor, folder.name)
        finally:
            os.close(descriptor)

    def sync_disk_of(self, folder: Path) -> None:
        """Bring everything to disk that was written to the file system of a folder: cheaper than fsync for many."""
        self.about_to("fsync", "file system")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _libc().syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), "syncfs failed")
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Move within one file system, replacing the target atomically."""
        self.about_to("rename", target.name)
        os.replace(source, target)

    def rename_in(self, folder: int, source: str, target: str) -> None:
        """Move within a folder that is held open, replacing the target atomically; links on the way play no part."""
        self.about_to("rename", target)
        os.replace(source, target, src_dir_fd=folder, dst_dir_fd=folder)

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents; one that exists is fine."""
        self.about_to("mkdir", path.name)
        path.mkdir(parents=True, exist_ok=True)

    def link_or_copy(self, source: Path, target: Path) -> None:
        """Give a file, or the one a symbolic link means, a second name; across file systems, or where links are
        forbidden, copy it in the kernel."""
        self.about_to("link", target.name)
        try:
            os.link(os.path.realpath(source), target)
        except OSError as err:
            if err.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES):
                raise
            self.copy(source, target)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file's bytes in the kernel, where it can without moving any."""
        self.about_to("copy", target.name)
        with open(source, "rb") as reader, open(target, "wb") as writer:
            copy_bytes(reader.fileno(), writer.fileno(), 0, os.fstat(reader.fileno()).st_size)

    def remove_file(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        self.about_to("remove", path.name)
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all in it, or a file or link in its place, never following links out of it; one that is
        gone already is fine."""
        self.about_to("remove", path.name)
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                raise
            except (OSError, RecursionError):
                _remove_flat(path)

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str | None, output: int | None, keep: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own; `output` takes its standard output and error."""
        self.about_to("spawn", argv[0])
        return subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            start_new_session=True,
            pass_fds=keep,
        )


def _new(path: Path) -> IO[bytes]:
    """A file of its own: one that is there, and may be held open by somebody, is another one."""
    try:
        return open(path, "xb")
    except FileExistsError:
        path.unlink()
        return open(path, "xb")


def part_of(path: Path) -> Path:
    """The name of a file that is being written and will appear as `path`."""
    return path.with_name(f".{path.name}.part")


@contextlib.contextmanager
def enough_space(path: Path) -> Iterator[None]:
    """Turn "no space left" into OutOfSpace that names the place."""
    try:
        yield
    except OSError as err:
        if err.errno in DISK_IS_FULL:
            raise OutOfSpace(f"the disk that holds '{path}' is full", hint="Free some space and run again.") from err
        raise


@contextlib.contextmanager
def held(file: Path, given_up: Callable[[], bool], most_s: float = float("inf")) -> Iterator[bool]:
    """Hold a file, which is made for it, against all other processes of this machine; a killed one holds nothing. False
    where another held it for `most_s`: it may be frozen. Raises Unavailable once `given_up()`."""
    until, descriptor = time.monotonic() + most_s, _lock_file(file)
    try:
        while not (mine := _took(descriptor)) and time.monotonic() < until:
            if given_up():
                raise Unavailable(f"nobody waits any more for what another process makes: '{file.name}'")
            select.select((), (), (), HELD_LOOK_S)
        yield mine
    finally:
        os.close(descriptor)


def _lock_file(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def etag_of(info: os.stat_result) -> str:
    """The tag of a local file's content: changes whenever the file is written or replaced."""
    return f"{info.st_ino}-{info.st_size}-{info.st_mtime_ns}"


def begin_writing(descriptor: int) -> None:
    """Have the kernel begin to bring a file's bytes to disk, so that fsync has less to wait for; a hint only."""
    whole = ctypes.c_int64(0)
    _libc().sync_file_range(descriptor, whole, whole, _SYNC_FILE_RANGE_WRITE)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def copy_bytes(source: int, target: int, offset: int, length: int) -> None:
    """Append `length` bytes of one descriptor from `offset` to another, in the kernel where it can.

    Raises EOFError when the source is shorter.
    """
    done = 0
    while done < length:
        count = _copy_some(source, target, offset + done, min(COPY_BYTES, length - done))
        if count == 0:
            raise EOFError(f"the file ended after {offset + done} bytes")
        done += count


def _copy_some(source: int, target: int, offset: int, length: int) -> int:
    try:
        return os.copy_file_range(source, target, length, offset_src=offset)
    except OSError as err:
        if err.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            raise
    data = os.pread(source, length, offset)
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
    return len(data)


def _remove_flat(root: Path) -> None:
    """Remove a folder whatever a program did to it: folders closed to their owner, or nested as deep as it liked. Each
    is emptied by moving the folders in it up to `root`."""
    os.chmod(root, 0o700)
    numbers = itertools.count()
    while names := os.listdir(root):
        for name in names:
            path = root / name
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
                continue
            os.chmod(path, 0o700)
            for inner in list(path.iterdir()):
                _move_up(inner, root, numbers)
            path.rmdir()
    root.rmdir()


def _move_up(path: Path, root: Path, numbers: Iterator[int]) -> None:
    """Give an entry another name right below `root`; a file goes at once."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    os.chmod(path, 0o700)
    while True:
        try:
            path.rename(root / f"{next(numbers)}.removed")
            return
        except OSError as err:
            if err.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
