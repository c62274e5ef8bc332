"""Archives from outside, zip and tar.gz, unpacked by our own loop under limits. Nothing they say is believed.

Names must be plain relative paths, unlike each other even without case. Only files and folders come out; what comes out
is counted while it comes out, whatever the headers say. The readers are the standard library's, each kept on a short
lead: a zip's directory is counted before it is read, and tarfile sees a stream that goes forward only.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fanfold.effects import enough_space
from fanfold.errors import BadInput, Problem

BLOCK = 1024 * 1024
MAX_PATH_BYTES = 1024
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
MAX_PART_BYTES = 255
SMALL_BYTES = 1024 * 1024
"""What an archive may become without being asked for its ratio."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out: files and folders together, bytes, and bytes out for each byte in."""

    entries: int = 10_000
    size_bytes: int = 512 * 1024**2
    ratio: int = 200


USUAL = Limits()


def suffix_of(archive: IO[bytes]) -> str:
    """`.zip` or `.tar.gz`, told by the first bytes; BadInput for anything else. Leaves the file at its start."""
    archive.seek(0)
    head = archive.read(4)
    archive.seek(0)
    if head in (b"PK\3\4", b"PK\5\6"):
        return ".zip"
    if head[:2] == b"\x1f\x8b":
        return ".tar.gz"
    raise _refused("is neither a zip nor a tar.gz file")


def unpack(archive: Path, target: Path, limits: Limits = USUAL) -> None:
    """Unpack into the new folder `target`; BadInput for what is not safe, with part of it unpacked already."""
    size_bytes = archive.stat().st_size
    with open(archive, "rb") as file:
        tree = _Tree(target, size_bytes, limits)
        with _damage_told():
            if suffix_of(file) == ".zip":
                _unpack_zip(file, size_bytes, tree, limits)
            else:
                _unpack_tar(file, tree)


def safe_parts(path: str) -> tuple[str, ...]:
    """The parts of a relative path from outside, none for the folder itself; ValueError for one that is not plain."""
    shown = repr(path[:100])
    if len(path) > MAX_PATH_BYTES or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path):
        raise ValueError(f"the name {shown} is too long, or has a control character or broken text in it")
    parts = tuple(path.removesuffix("/").split("/"))
    if parts[0] == ".":
        parts = parts[1:]
    if "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"the name {shown} is not a plain relative path")
    if len(path.encode()) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise ValueError(f"the name {shown} is too long: at most {MAX_PATH_BYTES} bytes, {MAX_PART_BYTES} a part")
    return parts


def _parts_of(name: str) -> tuple[str, ...]:
    try:
        return safe_parts(name)
    except ValueError as err:
        raise _refused(str(err)) from err


def _refused(reason: str) -> BadInput:
    return BadInput("the archive cannot be used", [Problem("archive", reason)])


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """What the readers raise about bytes they cannot make sense of, as BadInput."""
    # ValueError and RuntimeError are what zipfile and tarfile let slip from their insides; ours are neither.
    readers = (zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, ValueError, RuntimeError)
    try:
        yield
    except (*readers, OverflowError) as err:
        raise _refused(f"is damaged or cut off: {str(err)[:200]}") from err
    except OSError as err:
        if err.errno != errno.EINVAL:  # zipfile seeks where a header sends it, even before the file's start
            raise
        raise _refused("is damaged: it points outside itself") from err


class _Tree:
    """What has come out so far, below `root`."""

    def __init__(self, root: Path, archive_bytes: int, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._allowed = min(limits.size_bytes, max(archive_bytes * limits.ratio, SMALL_BYTES))
        self._out_bytes = 0
        self.entries = 0
        self._known: dict[str, tuple[str, bool]] = {}
        root.mkdir(mode=0o755)

    def count_entry(self) -> None:
        """Count one entry of the archive."""
        self.entries += 1
        self._check_count(self.entries)

    def _check_count(self, count: int) -> None:
        if count > self._limits.entries:
            raise _refused(f"has more than {self._limits.entries} files and folders")

    def spend(self, count: int) -> None:
        """Count bytes that came out."""
        self._out_bytes += count
        if self._out_bytes > self._allowed:
            most = f"at most {self._limits.size_bytes} bytes, and {self._limits.ratio} for each byte of the archive"
            raise _refused(f"unpacks to more than {self._allowed} bytes ({most})")

    def folder(self, name: str) -> None:
        """Make a folder with its parents; one that is there already under the same name is fine."""
        self._make_folders(_parts_of(name))

    def file(self, name: str, pieces: Iterator[bytes], executable: bool) -> None:
        """Write a file with the folders it is in."""
        parts = _parts_of(name)
        if not parts:
            raise _refused(f"the name {name!r} is not a file's")
        self._make_folders(parts[:-1])
        self._take("/".join(parts), is_folder=False)
        path = self._root.joinpath(*parts)
        mode = 0o755 if executable else 0o644
        with enough_space(path), open(path, "xb", opener=lambda file, flags: os.open(file, flags, mode)) as file:
            file.writelines(pieces)
            os.fchmod(file.fileno(), mode)

    def _make_folders(self, parts: tuple[str, ...]) -> None:
        for depth in range(1, len(parts) + 1):
            if self._take("/".join(parts[:depth]), is_folder=True):
                path = self._root.joinpath(*parts[:depth])
                with enough_space(path):
                    path.mkdir(mode=0o755)

    def _take(self, name: str, *, is_folder: bool) -> bool:
        """Whether a name is new; BadInput where it clashes with one that some file system takes for the same."""
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        found = self._known.get(key)
        if found == (name, True) and is_folder:
            return False
        if found is not None:
            raise _refused(f"the names {found[0][:100]!r} and {name[:100]!r} are the same for some file systems")
        self._known[key] = (name, is_folder)
        self._check_count(len(self._known))  # folders that names imply are no entries
        return True


# ---- zip

_END = struct.Struct("<12xL4xH")
"""Of the end of a zip: the size of its directory, the length of its comment (APPNOTE 4.3.16)."""
_ENTRY = struct.Struct("<28x3H12x")
"""Of an entry of the directory: the lengths of what follows it (APPNOTE 4.3.12)."""
_END_AT_MOST = 64 * 1024 + _END.size
_ZIP64_LOCATOR_BYTES = 20
_ENCRYPTED = 0x1


def _unpack_zip(file: IO[bytes], size_bytes: int, tree: _Tree, limits: Limits) -> None:
    _count_directory(file, size_bytes, limits)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            tree.count_entry()
            mode = _check_zip_entry(info)
            if info.orig_filename.endswith("/"):
                tree.folder(info.orig_filename)
                continue
            with archive.open(info) as reader:
                tree.file(info.orig_filename, _zip_pieces(reader, tree), bool(mode & 0o100))


def _zip_pieces(reader: IO[bytes], tree: _Tree) -> Iterator[bytes]:
    while piece := reader.read(BLOCK):
        tree.spend(len(piece))
        yield piece


def _check_zip_entry(info: zipfile.ZipInfo) -> int:
    """The Unix mode of an entry; BadInput for anything but a plain file or folder that deflate can read."""
    mode = info.external_attr >> 16
    kind, shown = mode & 0o170000, repr(info.orig_filename[:100])
    if kind not in (0, 0o100000, 0o040000):
        raise _refused(f"{shown} is a link, a device or the like; only files and folders are taken")
    if info.flag_bits & _ENCRYPTED:
        raise _refused(f"{shown} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(f"{shown} is compressed in another way than deflate")
    return mode


def _count_directory(file: IO[bytes], size_bytes: int, limits: Limits) -> None:
    """Walk a zip's directory before zipfile reads it whole: at most `limits.entries`, whatever the count beside it."""
    start, end = _directory_place(file, size_bytes)
    file.seek(start)
    for _ in range(limits.entries):
        if file.tell() == end:
            return
        data = file.read(_ENTRY.size)
        if data[:4] != b"PK\1\2" or file.tell() > end:
            raise _refused("is a zip with a wrong directory")
        file.seek(sum(_ENTRY.unpack(data)), os.SEEK_CUR)
    if file.tell() != end:
        raise _refused(f"has more than {limits.entries} files and folders")


def _directory_place(file: IO[bytes], size_bytes: int) -> tuple[int, int]:
    """From where to where the directory goes, as zipfile finds it."""
    base = max(0, size_bytes - _END_AT_MOST)
    file.seek(base)
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise _refused("is a zip without an end; it was cut off")
    if found >= _ZIP64_LOCATOR_BYTES and tail[found - _ZIP64_LOCATOR_BYTES :].startswith(b"PK\6\7"):
        raise _refused("is in the zip64 form, which is for archives larger than are taken here")
    directory_bytes, comment_bytes = _END.unpack_from(tail, found)
    end = base + found
    if end + _END.size + comment_bytes != size_bytes or directory_bytes > min(end, MAX_DIRECTORY_BYTES):
        raise _refused("is a zip with a wrong end, or with a directory that is too large")
    return end - directory_bytes, end


# ---- tar.gz

_HEADER_BYTES = 2048
_LONG_HEADERS_BYTES = 512 * 1024
_READS_PER_ENTRY = 4  # its header, one more header with its data for what did not fit, and one to spare


def _unpack_tar(file: IO[bytes], tree: _Tree) -> None:
    stream = _Gunzipped(file, tree)
    with tarfile.TarFile(fileobj=stream) as archive:
        while (member := archive.next()) is not None:
            tree.count_entry()
            if member.isdir():
                tree.folder(member.name)
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse() and member.size >= 0:
                tree.file(member.name, stream.pieces(member.size), bool(member.mode & 0o100))
            else:
                shown = repr(member.name[:100])
                raise _refused(f"{shown} is a link, a device or the like; only files and folders are taken")
    stream.check_end()


class _Gunzipped(io.RawIOBase):
    """A gzip file as tarfile may read it: forward only, small pieces only, every byte counted.

    That is what keeps tarfile's known ways to hang, to take quadratic time and to fill memory (negative sizes, endless
    extended headers) from working, on every Python this runs on.
    """

    def __init__(self, file: IO[bytes], tree: _Tree) -> None:
        super().__init__()
        self._file = file
        self._tree = tree
        self._inflate = zlib.decompressobj(wbits=31)
        self._packed = b""
        self._position = 0
        self._reads = 0
        self._long_bytes = 0
        self._last = b""

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Skip forward to an offset."""
        if whence != os.SEEK_SET or offset < self._position:
            raise _refused("is a tar file that points backwards")
        for _ in self.pieces(offset - self._position):
            pass
        return self._position

    def read(self, size: int = -1) -> bytes:
        """A header, whole unless the stream ends."""
        self._long_bytes += size if size > tarfile.BLOCKSIZE else 0
        self._reads += 1
        many = self._reads > _READS_PER_ENTRY * (self._tree.entries + 4)
        if many or not 0 <= size <= _HEADER_BYTES or self._long_bytes > _LONG_HEADERS_BYTES:
            raise _refused("is a tar file with headers that are too long or too many")
        found = bytearray()
        while len(found) < size and (piece := self._some(size - len(found))):
            found += piece
        self._last = bytes(found)
        return self._last

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes; EOFError where the stream ends before."""
        while size:
            piece = self._some(min(size, BLOCK))
            if not piece:
                raise EOFError("it ends inside a file")
            size -= len(piece)
            yield piece

    def check_end(self) -> None:
        """Read on to the end, where nothing but zeros may be: tarfile stops in silence at a header it cannot read."""
        rest = self._last
        while not rest.strip(b"\0"):
            rest = self._some(BLOCK)
            if not rest:
                return
        raise _refused("is damaged: a header in the middle of it cannot be read")

    def _some(self, size: int) -> bytes:
        """1 to `size` bytes; none at the end."""
        while size and not self._inflate.eof:
            if not self._packed:
                self._packed = self._file.read(64 * 1024)
                if not self._packed:
                    raise EOFError("it ends before its end")
            piece = self._inflate.decompress(self._packed, size)
            self._packed = self._inflate.unconsumed_tail
            if piece:
                self._tree.spend(len(piece))
                self._position += len(piece)
                return piece
        if self._inflate.eof and (self._inflate.unused_data or self._file.read(1)):
            raise _refused("goes on after its end")
        return b""
