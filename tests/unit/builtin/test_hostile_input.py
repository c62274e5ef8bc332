"""Input meant to break a block ends in chunks or in one sentence, never in a traceback."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.builtin.running import assemble, partition, start

DEEP = 100_000
NAMES = ["two\nlines.txt", "tab\there", "-rf", "quote\"'", " ", "\udcff\udcfe", "data_0.bin", "é", "e\u0301", "x" * 255]


@pytest.mark.parametrize(
    ("content", "chunks"),
    [
        (b"[" * DEEP + b"]" * DEEP, 1),
        (b'[{"a":' * DEEP + b"1" + b"}]" * DEEP, 1),
        (b"[" + b"9" * 1_000_000 + b"," + b"1" * 300_000 + b"]", 2),
        (b"[1e999999, -0, 0.0e-0]", 3),
        (b'["\\ud800", "\\udc00\\ud800"]', 2),
        (b'["' + b"\\\\" * 300_000 + b'", "\\""]', 2),
        (b'["' + b'\\"' * 300_000 + b'"]', 1),
        (b'[{"a": 1, "a": 2}]', 1),
        (b"[" + b" " * 600_000 + b"1" + b"\n" * 600_000 + b"]", 1),
        (b"[" + b"[]," * 100 + b"{}]", 101),
    ],
)
def test_odd_but_valid_arrays_are_split(tmp_path: Path, content: bytes, chunks: int) -> None:
    ran = partition(tmp_path, "split-json", {"items": 1, "format": "array"}, {"a.json": content})
    assert (ran.status, len(ran.chunks)) == (0, chunks), ran.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"[" * DEEP,
        b"]" * DEEP,
        b'{"a":' * DEEP,
        b"[" * 1_100_000,
        b'["' + b"\\" * 1_000_001 + b'"]',
        b'["\\',
        b"[" + b"1" * 20_000_000 + b"]",
        b"[1" + b" " * 600_000,
        b"\xff\xfe[\0]\0",
        b"[\x001]",
    ],
)
def test_broken_arrays_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    ran = partition(tmp_path, "split-json", {"items": 1, "format": "array"}, {"a.json": content})
    assert ran.status == 2
    assert ran.stderr.startswith('"a.json"')
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "params", "content"),
    [
        ("split-csv", {"rows": 1}, b'"' * 300_000 + b"\n" * 3),
        ("split-csv", {"max_bytes": 1}, b'"",' * 100_000 + b"\n1\n"),
        ("split-lines", {"max_bytes": 1}, b"\r" * 300_000 + b"\n"),
        ("split-lines", {"header": 1_000_000_000}, b"a\n" * 10),
        ("split-lines", {"num_chunks": 10**18}, b"a\n" * 10),
        ("split-bytes", {"num_chunks": 10**18}, b"abc"),
        ("split-json", {"items": 10**30}, b"[1,2,3]"),
        ("split-json", {"max_bytes": 10**30}, b"[1,2,3]"),
        ("split-json", {"num_chunks": 10**30}, b"[1,2,3]"),
    ],
)
def test_odd_texts_and_sizes_are_split(tmp_path: Path, name: str, params: dict[str, Any], content: bytes) -> None:
    ran = partition(tmp_path, name, params, {"a": content})
    assert ran.status == 0, ran.stderr
    assert ran.chunks


@pytest.mark.parametrize("block", ["passthrough", "list-files", "split-bytes"])
def test_any_file_name_will_do(tmp_path: Path, block: str) -> None:
    ran = partition(tmp_path, block, {}, dict.fromkeys(NAMES, b"x"))
    assert (ran.status, len(ran.chunks)) == (0, len(NAMES)), ran.stderr
    assert all(label.isprintable() for label in ran.labels)


@pytest.mark.parametrize("block", ["passthrough", "concat", "zip", "tar"])
def test_any_result_name_will_do(tmp_path: Path, block: str) -> None:
    ran = assemble(tmp_path, block, {}, [(chunk, name, b"x") for chunk, name in enumerate(NAMES)], indexed=False)
    assert ran.status == 0, ran.stderr
    assert ran.files


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").symlink_to("nowhere")
    ran = partition(tmp_path, "split-bytes", {})
    assert (ran.status, ran.stderr) == (2, '"a" is not a regular file\n')


@pytest.mark.parametrize("params", ["[]", "{", '"x"', "null"])
def test_params_that_are_no_object_are_refused(tmp_path: Path, params: str) -> None:
    environment = {"SOURCE_DIR": str(tmp_path), "CHUNKS_DIR": str(tmp_path), "PARTITIONER_PARAMS": params}
    status, stderr = start("partitioner", "split-bytes", environment)
    assert status == 2
    assert stderr.startswith("PARTITIONER_PARAMS ")


def test_params_may_come_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"items": [1, 2]}')
    environment = {"FANFOLD_PARAMS_FILE": str(tmp_path / "params.json"), "CHUNKS_DIR": str(tmp_path)}
    assert start("partitioner", "list-items", environment) == (0, "")
    assert (tmp_path / "data_1.bin").read_bytes() == b"2\n"


@pytest.mark.parametrize(("role", "name"), [("partitioner", "split-lines"), ("assembler", "concat")])
def test_a_start_without_folders_says_what_is_missing(role: str, name: str) -> None:
    status, stderr = start(role, name, {})
    assert status == 2
    assert "_DIR is not set: this program is started by Fanfold" in stderr
