"""Archives as nobody should make them, and small ones as people do."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable

Files = dict[str, bytes]

BLOCK = {"app/main.py": b"print('hello')\n", "manifest.json": b'{"name": "word-count", "version": "0.1"}'}


def zip_of(files: Files, *, executable: Iterable[str] = (), method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            archive.writestr(info, data)
    return made.getvalue()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    padding = b"\0" * (-len(data) % tarfile.BLOCKSIZE)
    return info.tobuf(tarfile.GNU_FORMAT) + data + padding


def tar_of(*entries: bytes) -> bytes:
    return gzip.compress(b"".join(entries) + b"\0" * 1024, compresslevel=1)


def tar_of_files(files: Files, *, executable: Iterable[str] = (), pax: bool = False) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if name in executable else 0o644
            info.mtime = 1.5 if pax else 1
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def zip_link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo("app/main.py")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


def zip_renamed(name: bytes) -> bytes:
    """A zip whose file has a name that no zip program would write."""
    plain = "x" * len(name)
    return zip_of({plain: b"data"}).replace(plain.encode(), name)


def zip_that_lies(size_bytes: int) -> bytes:
    """Its headers say that 10 MiB of zeros are `size_bytes`."""
    data = bytes(10 * 1024 * 1024)
    made = zip_of({"app/zeros": data})
    return made.replace(struct.pack("<L", len(data)), struct.pack("<L", size_bytes))


def zip_overlapping(entries: int) -> bytes:
    """Every entry of its directory is the same 4 MiB of zeros."""
    name = b"app/0000"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bytes(4 * 1024 * 1024)
    packed = packer.compress(data) + packer.flush()
    sizes = struct.pack("<LLL", zlib.crc32(data), len(packed), len(data))
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(name), 0) + name
    one = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    one += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    directory = one * entries
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, entries, entries, len(directory), len(local + packed), 0)
    return local + packed + directory + end


def zip_directory_of(entries: int, said: int) -> bytes:
    """A directory of empty files, with another count beside it."""
    made = bytearray(zip_of({f"app/{number:05}": b"" for number in range(entries)}, method=zipfile.ZIP_STORED))
    made[-14:-10] = struct.pack("<HH", said, said)
    return bytes(made)


def encrypted_zip() -> bytes:
    made = bytearray(zip_of({"app/main.py": b"data"}))
    made[6] |= 1
    made[made.index(b"PK\1\2") + 8] |= 1
    return bytes(made)


def tar_with_size(size: bytes) -> bytes:
    """A tar whose only header gives this size field."""
    header = bytearray(tar_entry("app/main.py"))
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar_of(bytes(header))


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return tar_entry("pax", kind, records)


def record(key: str, value: str) -> bytes:
    rest = len(f" {key}={value}\n".encode())
    length = rest + len(str(rest + len(str(rest))))
    return f"{length} {key}={value}\n".encode()


def damaged_in_the_middle() -> bytes:
    broken = bytearray(tar_entry("app/two"))
    broken[10] ^= 1
    return tar_of(tar_entry("app/one", data=b"1"), bytes(broken), tar_entry("app/three"))


# Each is made when it is asked for; the second half is why it is refused.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "neither a zip nor"),
    "some text": (lambda: b"hello", "neither a zip nor"),
    "a plain tar": (lambda: gzip.decompress(tar_of(tar_entry("a"))), "neither a zip nor"),
    "gzip of no tar": (lambda: gzip.compress(b"hello" * 1000), "damaged"),
    "zip: up and out": (lambda: zip_of({"../../etc/passwd": b""}), "plain relative path"),
    "zip: up inside": (lambda: zip_of({"app/../../x": b""}), "plain relative path"),
    "zip: absolute": (lambda: zip_of({"/etc/passwd": b""}), "plain relative path"),
    "zip: backslash": (lambda: zip_of({"..\\..\\x": b""}), "plain relative path"),
    "zip: NUL": (lambda: zip_renamed(b"app/main.py\0.txt"), "control character"),
    "zip: newline": (lambda: zip_of({"app/a\nb": b""}), "control character"),
    "zip: empty part": (lambda: zip_of({"app//x": b""}), "plain relative path"),
    "zip: no name but a slash": (lambda: zip_of({"/": b""}), "plain relative path"),
    "zip: wrong text in a name": (
        lambda: zip_of({"\u00e9\u00e9": b""}).replace("\u00e9\u00e9".encode(), b"\xff\xfe\xc3("),
        "damaged",
    ),
    "zip: a symbolic link": (zip_link, "link, a device"),
    "zip: bomb": (lambda: zip_of({"app/x": bytes(64 * 1024 * 1024)}), "unpacks to more"),
    "zip: bomb of overlapping entries": (lambda: zip_overlapping(200), "."),
    "zip: says less than it holds": (lambda: zip_that_lies(100), "damaged"),
    "zip: says more than it holds": (lambda: zip_that_lies(20 * 1024 * 1024), "."),
    "zip: 70,000 empty files": (lambda: zip_directory_of(70_000, 70_000 % 65536), "zip64"),
    "zip: 20,000 empty files, said to be 5": (lambda: zip_directory_of(20_000, 5), "more than 10000 files"),
    "zip: equal without case": (lambda: zip_of({"app/Main.py": b"", "app/main.py": b""}), "same for some file systems"),
    "zip: equal after composing": (lambda: zip_of({"caf\u00e9": b"", "cafe\u0301": b""}), "same for some file systems"),
    "zip: folders equal without case": (lambda: zip_of({"app/a": b"", "APP/b": b""}), "same for some file systems"),
    "zip: a file that is a folder too": (lambda: zip_of({"app": b"", "app/b": b""}), "same for some file systems"),
    "zip: encrypted": (encrypted_zip, "encrypted"),
    "zip: another compression": (lambda: zip_of({"app/x": b"x"}, method=zipfile.ZIP_LZMA), "another way than deflate"),
    "zip: a folder with 5,000 folders in it": (lambda: zip_of({"a/" * 5000 + "x": b""}), "too long"),
    "zip: many deep folders": (
        lambda: zip_of({f"{number}/" + "d/" * 400 + "x": b"" for number in range(30)}),
        "more than 10000 files",
    ),
    "zip: cut off": (lambda: zip_of(BLOCK)[:-30], "damaged|cut off"),
    "zip: end with a wrong place": (lambda: zip_of(BLOCK)[:-10] + b"\xff" * 8 + b"\0\0", "."),
    "tar: up and out": (lambda: tar_of(tar_entry("../../etc/passwd", data=b"x")), "plain relative path"),
    "tar: absolute": (lambda: tar_of(tar_entry("/etc/passwd", data=b"x")), "plain relative path"),
    "tar: backslash": (lambda: tar_of(tar_entry("a\\b")), "plain relative path"),
    "tar: NUL in a long name": (lambda: tar_of(pax(record("path", "a\0b")), tar_entry("a")), "control character"),
    "tar: a symbolic link": (lambda: tar_of(tar_entry("a", tarfile.SYMTYPE, linkname="/etc")), "link, a device"),
    "tar: through a link": (
        lambda: tar_of(tar_entry("a", tarfile.SYMTYPE, linkname="/tmp"), tar_entry("a/b", data=b"x")),
        "link, a device",
    ),
    "tar: a hard link": (lambda: tar_of(tar_entry("a", tarfile.LNKTYPE, linkname="/etc/passwd")), "link, a device"),
    "tar: a character device": (lambda: tar_of(tar_entry("a", tarfile.CHRTYPE)), "link, a device"),
    "tar: a block device": (lambda: tar_of(tar_entry("a", tarfile.BLKTYPE)), "link, a device"),
    "tar: a pipe": (lambda: tar_of(tar_entry("a", tarfile.FIFOTYPE)), "link, a device"),
    "tar: a sparse file": (lambda: tar_of(tar_entry("a", tarfile.GNUTYPE_SPARSE)), "link, a device"),
    "tar: 70,000 empty files": (
        lambda: tar_of(*(tar_entry(str(number)) for number in range(70_000))),
        "more than 10000 files",
    ),
    "tar: one folder 70,000 times": (
        lambda: tar_of(tar_entry("app", tarfile.DIRTYPE) * 70_000),
        "more than 10000 files",
    ),
    "tar: bomb": (lambda: tar_of(tar_entry("a", data=bytes(64 * 1024 * 1024))), "unpacks to more"),
    "tar: says a terabyte": (lambda: tar_with_size(b"\x80" + (2**40).to_bytes(11, "big")), "damaged"),
    "tar: says less than nothing": (lambda: tar_with_size(b"\xff" * 12), "."),
    "tar: says no number": (lambda: tar_with_size(b"hello world\0"), "."),
    "tar: equal without case": (lambda: tar_of(tar_entry("A"), tar_entry("a")), "same for some file systems"),
    "tar: the same file twice": (lambda: tar_of(tar_entry("a"), tar_entry("a")), "same for some file systems"),
    "tar: chains of small extended headers": (
        lambda: tar_of(*([pax(b"1" * 500) * 100 + tar_entry("a/", tarfile.DIRTYPE)] * 300)),
        ".",
    ),
    "tar: endless extended headers": (lambda: tar_of(pax(b"1" * 500) * 5000, tar_entry("a")), "."),
    "tar: a huge extended header": (lambda: tar_of(pax(b"1" * 1024**2), tar_entry("a")), "headers that are too long"),
    "tar: many large extended headers": (
        lambda: tar_of(*([pax(record("comment", "1" * 1500)), tar_entry("a/", tarfile.DIRTYPE)] * 2000)),
        "headers that are too long",
    ),
    "tar: a sparse file of the newest kind": (
        lambda: tar_of(
            pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")), tar_entry("a", data=b"9" * 512)
        ),
        ".",
    ),
    "tar: damaged in the middle": (damaged_in_the_middle, "damaged"),
    "tar: cut off in a file": (lambda: gzip.compress(tar_entry("a", data=b"x" * 5000)[:3000]), "damaged"),
    "tar: cut off in its gzip": (lambda: tar_of_files(BLOCK)[:-20], "damaged"),
    "tar: wrong sum of its gzip": (lambda: tar_of_files(BLOCK)[:-8] + bytes(8), "damaged"),
    "tar: goes on after its end": (lambda: tar_of_files(BLOCK) + tar_of_files(BLOCK), "goes on after its end"),
}
