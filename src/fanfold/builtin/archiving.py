"""Tar archives that are equal byte by byte when their files are: no times, owners or modes of this machine."""

from __future__ import annotations

import os
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from gzip import GzipFile
    from typing import BinaryIO

FILE_MODE = 0o644


def write_tar(target: BinaryIO | GzipFile, files: Iterable[tuple[str, str]]) -> None:
    """Writes an uncompressed tar of (name in the archive, path of the file), in the order given."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in files:
            member = tarfile.TarInfo(name)
            member.mode = FILE_MODE
            with open(path, "rb") as file:
                member.size = os.fstat(file.fileno()).st_size
                archive.addfile(member, file)
