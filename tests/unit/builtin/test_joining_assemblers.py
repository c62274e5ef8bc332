"""passthrough, concat, tar, zip: files as they are, in order."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builtin.running import assemble, fresh, start

OUT = [(chunk, "out.txt", f"{chunk};".encode()) for chunk in range(12)]


def test_concat_keeps_the_order_of_chunks_and_the_name_all_share(tmp_path: Path) -> None:
    ran = assemble(tmp_path, "concat", {}, OUT)
    assert ran.files == {"out.txt": b"0;1;2;3;4;5;6;7;8;9;10;11;"}


def test_concat_without_an_index_counts_in_names(tmp_path: Path) -> None:
    ran = assemble(tmp_path, "concat", {}, OUT, indexed=False)
    assert ran.files == {"out.txt": b"0;1;2;3;4;5;6;7;8;9;10;11;"}


@pytest.mark.parametrize(
    ("params", "files"),
    [
        ({}, {"output.bin": b"12"}),
        ({"output": "all.txt", "separator": "\n--é\n"}, {"all.txt": "1\n--é\n2".encode()}),
    ],
)
def test_concat_of_different_names(tmp_path: Path, params: dict[str, Any], files: dict[str, bytes]) -> None:
    assert assemble(tmp_path, "concat", params, [(0, "a.txt", b"1"), (1, "b.txt", b"2")]).files == files


def test_a_shared_name_keeps_its_folder(tmp_path: Path) -> None:
    results = [(0, "sub/a.txt", b"1"), (1, "sub/a.txt", b"2")]
    assert assemble(tmp_path, "concat", {}, results).files == {"sub/a.txt": b"12"}


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a\0b"])
def test_an_output_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    ran = assemble(tmp_path, "concat", {"output": name}, OUT)
    assert ran.status == 2
    assert ran.stderr.startswith('param "output" must be a plain file name')
    assert ran.files == {}


def test_passthrough_keeps_paths_contents_and_the_right_to_run(tmp_path: Path) -> None:
    results = [(0, "a/tool.sh", b"#!/bin/sh\n"), (1, "b.txt", b"2"), (2, "empty", b"")]
    assert assemble(tmp_path, "passthrough", {}, results).files == {name: content for _, name, content in results}
    (tmp_path / "results" / "a" / "tool.sh").chmod(0o755)
    folders = {"TASK_RESULTS_DIR": str(tmp_path / "results"), "OUTPUT_DIR": str(fresh(tmp_path / "output"))}
    assert start("assembler", "passthrough", folders) == (0, "")
    assert os.stat(tmp_path / "output" / "a" / "tool.sh").st_mode & stat.S_IXUSR


def test_outputs_are_copies_that_leave_the_results_alone(tmp_path: Path) -> None:
    assemble(tmp_path, "passthrough", {}, [(0, "a.txt", b"1")])
    (tmp_path / "output" / "a.txt").write_bytes(b"changed")
    assert (tmp_path / "results" / "a.txt").read_bytes() == b"1"


MIXED = [(1, "b/z.txt", b"2" * 5000), (0, "a\\..\nc.txt", b"1"), (2, "b/a.txt", b"")]


@pytest.mark.parametrize("params", [{}, {"compression": "store"}])
def test_zip_holds_safe_names_in_order_and_is_reproducible(tmp_path: Path, params: dict[str, str]) -> None:
    first = assemble(tmp_path, "zip", params, MIXED).files["output.zip"]
    os.utime(tmp_path / "results" / "b" / "a.txt", (1, 1))
    assert assemble(tmp_path, "zip", params, MIXED).files["output.zip"] == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a_.._c.txt", "b/a.txt", "b/z.txt"]
        assert archive.read("b/z.txt") == b"2" * 5000


def test_zip_refuses_names_that_become_one(tmp_path: Path) -> None:
    ran = assemble(tmp_path, "zip", {}, [(0, "a\\b", b""), (1, "a_b", b"")])
    assert ran.status == 2
    assert "would have the same name in the archive" in ran.stderr


@pytest.mark.parametrize(
    ("params", "output"), [({}, "output.tar"), ({"compression": "gzip"}, "output.tar.gz"), ({"output": "x"}, "x")]
)
def test_tar_holds_files_in_order_and_is_reproducible(tmp_path: Path, params: dict[str, str], output: str) -> None:
    first = assemble(tmp_path, "tar", params, MIXED).files[output]
    os.utime(tmp_path / "results" / "b" / "a.txt", (1, 1))
    assert assemble(tmp_path, "tar", params, MIXED).files[output] == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert archive.getnames() == ["a\\..\nc.txt", "b/a.txt", "b/z.txt"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("concat", {"output.bin": b""}),
        ("passthrough", {}),
        ("merge-csv", {"output.csv": b""}),
        ("merge-json", {"output.json": b"[]\n"}),
        ("sum-json", {"output.json": b"{}\n"}),
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_no_results_give_an_empty_output(tmp_path: Path, name: str, files: dict[str, bytes], indexed: bool) -> None:
    ran = assemble(tmp_path, name, {}, [], indexed=indexed)
    assert (ran.status, ran.files) == (0, files)


def test_no_results_give_an_empty_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(assemble(tmp_path, "zip", {}, []).files["output.zip"])) as archive:
        assert archive.namelist() == []
    with tarfile.open(fileobj=io.BytesIO(assemble(tmp_path, "tar", {}, []).files["output.tar"])) as archive:
        assert archive.getnames() == []
