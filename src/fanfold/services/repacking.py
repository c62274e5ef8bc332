"""An archive made anew from its checked and unpacked files: nothing of the old one that was not looked at stays in it.
The same files make the same bytes."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import IO

LEVEL = 6
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, target: IO[bytes], suffix: str) -> None:
    """Write the files below `folder` as `.zip` or `.tar.gz`, each with its right to be run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if suffix == ".zip":
        _zip(folder, files, target)
    else:
        _tar(folder, files, target)


def _zip(folder: Path, files: list[Path], target: IO[bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | _mode(path)) << 16
            with open(path, "rb") as file, archive.open(entry, "w", force_zip64=True) as written:
                while data := file.read(1 << 20):
                    written.write(data)


def _tar(folder: Path, files: list[Path], target: IO[bytes]) -> None:
    with (
        gzip.GzipFile("", "wb", LEVEL, target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode = path.stat().st_size, _mode(path)
            with open(path, "rb") as file:
                archive.addfile(entry, file)


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
