"""Copying bytes between files inside the kernel where it can, with reads and writes where it refuses."""

from __future__ import annotations

import errno
import os

from fanfold.builtin.planning import InputRefused

BLOCK_BYTES = 1024 * 1024
# What kernels, file systems and seccomp filters answer when they do not copy between these two files.
REFUSALS = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY}


def copy_range(path: str, offset: int, length: int, target: int) -> None:
    """Appends `length` bytes of the file at `path` to the descriptor `target`; refuses a file that is too short."""
    if not length:
        return
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        done = _copy_in_kernel(source, offset, length, target)
        _copy_by_hand(source, offset + done, length - done, target)
    finally:
        os.close(source)


def copy_file(path: str, target: int) -> None:
    """Appends the whole file at `path` to the descriptor `target`."""
    copy_range(path, 0, os.stat(path).st_size, target)


def write_all(target: int, block: bytes) -> None:
    """Writes all of `block`, in as many calls as it takes."""
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(target, rest) :]


def _copy_in_kernel(source: int, offset: int, length: int, target: int) -> int:
    done = 0
    while done < length:
        try:
            copied = os.copy_file_range(source, target, length - done, offset_src=offset + done)
        except OSError as refusal:
            if refusal.errno in REFUSALS:
                return done
            raise
        if not copied:
            return done
        done += copied
    return done


def _copy_by_hand(source: int, offset: int, length: int, target: int) -> None:
    while length:
        block = os.pread(source, min(length, BLOCK_BYTES), offset)
        if not block:
            raise InputRefused(f"an input file became shorter while it was copied: it ends at byte {offset}")
        write_all(target, block)
        offset += len(block)
        length -= len(block)
