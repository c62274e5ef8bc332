"""Compressed input: whole or refused, in pieces, and told by its bytes."""

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from fanfold.effects import Effects
from fanfold.errors import BadInput, Unavailable
from fanfold.pipeline.expanding import Expander
from fanfold.ports.datasource import SourceFile

TEXT = b"".join(b"line %d\n" % number for number in range(50_000))


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


def expanded(folder: Path, name: str, data: bytes, most: int = 10**9) -> tuple[SourceFile, bytes]:
    given = SourceFile(name, "/elsewhere/x", len(data), "tag")
    expander = Expander(Effects(), folder / "source", most, lambda: False)
    file = expander.expanded(given, lambda offset, length: data[offset : offset + length])
    return file, data if file is given else Path(file.location).read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "then"),
    [
        ("a.csv.gz", gzip.compress(TEXT), "a.csv"),
        ("two members", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]), "two members"),
        ("padded.gz", gzip.compress(TEXT) + b"\0" * 100, "padded"),
        ("a.jsonl.zst", zstd(TEXT), "a.jsonl"),
        ("frames.ZST", zstd(TEXT[:1000]) + zstd(TEXT[1000:]), "frames"),
        (".gz", gzip.compress(TEXT), ".gz"),
        ("plain.gz", TEXT, "plain.gz"),
    ],
)
def test_what_is_compressed_is_expanded_and_its_name_says_so(tmp_path: Path, name: str, data: bytes, then: str) -> None:
    file, text = expanded(tmp_path, name, data)
    assert (file.name, file.size_bytes, text) == (then, len(TEXT), TEXT)


def test_nothing_of_an_empty_or_short_file_is_taken_for_more(tmp_path: Path) -> None:
    for data in (b"", b"\x1f", b"\x28\xb5"):
        assert expanded(tmp_path, "x", data)[1] == data


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("cut", [5, 0.5, -3])
def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path: Path, pack: object, cut: float) -> None:
    assert callable(pack)
    whole = pack(TEXT)
    data = whole[: int(cut * len(whole)) if isinstance(cut, float) else cut]
    with pytest.raises(BadInput, match="'x' is compressed and damaged or cut off"):
        expanded(tmp_path, "x", data)
    assert not list((tmp_path / "source").glob("[!.]*"))


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_bomb_is_refused_at_its_limit_and_in_little_memory(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    bomb = pack(b"\0" * (300 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="expands to more than 200000000 bytes"):
            expanded(tmp_path, "x", bomb, 200_000_000)
        assert tracemalloc.get_traced_memory()[1] < 160 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_zstd_file_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    target = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(target, closefd=False) as writer:
        writer.write(TEXT)
    with pytest.raises(BadInput, match="damaged"):
        expanded(tmp_path, "x", target.getvalue())


def test_it_ends_when_nobody_wants_it_and_the_compressed_bytes_go(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "0").write_bytes(data := gzip.compress(TEXT))
    given = SourceFile("x", str(folder / "0"), len(data), "tag")

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    with pytest.raises(Unavailable, match="stopped"):
        Expander(Effects(), folder, 10**9, lambda: True).expanded(given, read)
    file = Expander(Effects(), folder, 10**9, lambda: False).expanded(given, read)
    assert [path.name for path in folder.glob("[!.]*")] == [Path(file.location).name]
