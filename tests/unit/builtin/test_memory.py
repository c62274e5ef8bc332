"""Files far larger than memory are split all the same."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builtin.running import fill, fresh, start

MEMORY_BYTES = 64 << 20
FILE_BYTES = 128 << 20
TEXT_BYTES = 64 << 10  # the part that is looked at for being text; behind it lies a hole, which reads as one long line


@pytest.mark.parametrize(
    ("name", "params", "begin", "end", "chunks"),
    [
        ("split-lines", {"max_bytes": 1 << 20}, b"line\n" * (TEXT_BYTES // 5 + 1), b"\nlast", 3),
        ("split-lines", {"lines": 1 << 20}, b"line\n" * (TEXT_BYTES // 5 + 1), b"\nlast", 1),
        ("split-csv", {"max_bytes": 1 << 20}, b'a,"b\n"\n' * (TEXT_BYTES // 6) + b'"', b'"\nlast,"row"\n', 3),
        ("split-csv", {"num_chunks": 2}, b'a,"b\n"\n' * (TEXT_BYTES // 6) + b'"', b'"\nlast,"row"\n', 2),
        ("split-json", {"items": 10_000}, b"[" + b'{"a": "b"},' * 10_000 + b'"', b'", 1, 2]', 2),
        ("split-json", {"num_chunks": 2}, b"[" + b'{"a": "b"},' * 10_000 + b'["', b'"], 1, 2]', 2),
    ],
)
def test_a_line_row_or_item_twice_as_large_as_memory_is_no_problem(
    tmp_path: Path, name: str, params: dict[str, Any], begin: bytes, end: bytes, chunks: int
) -> None:
    assert len(begin) > TEXT_BYTES
    fill(tmp_path / "source", {"large": begin})
    with open(tmp_path / "source" / "large", "r+b") as file:
        file.seek(FILE_BYTES)
        file.write(end)
    made = fresh(tmp_path / "chunks")
    environment = {
        "SOURCE_DIR": str(tmp_path / "source"),
        "CHUNKS_DIR": str(made),
        "PARTITIONER_PARAMS": json.dumps(params),
    }
    assert start("partitioner", name, environment, limit_memory) == (0, "")
    sizes = [path.stat().st_size for path in made.glob("data_*.bin")]
    fresh(made)
    assert len(sizes) == chunks
    assert max(sizes) > FILE_BYTES - (2 << 20)


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
