import hashlib
from pathlib import Path

import pytest

from fanfold.client.downloads import Download, is_here, place_of
from fanfold.client.errors import BadAnswer
from fanfold.wire.jobs import JobResult

CONTENT = b"0123456789"


def result(content: bytes = CONTENT, name: str = "a/out.bin") -> JobResult:
    sha256 = hashlib.sha256(content).hexdigest()
    return JobResult(name=name, link="l", url="l", size=len(content), sha256=sha256)


def received(folder: Path, pieces: list[bytes], status: int = 200, start: int = 0) -> Download:
    sink = Download(place_of(folder, "a/out.bin"), result())
    sink.headers()
    sink.begin(status, {"content-range": f"bytes {start}-9/10"})
    for piece in pieces:
        sink.write(piece)
    return sink


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../out", "a/../../out", "a\\b", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadAnswer, match="no plain relative path"):
        place_of(tmp_path, name)


def test_a_whole_download_gets_its_name(tmp_path: Path) -> None:
    assert received(tmp_path, [CONTENT[:4], CONTENT[4:]]).finish().read_bytes() == CONTENT
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["out.bin"]
    assert is_here(tmp_path / "a" / "out.bin", result())
    assert not is_here(tmp_path / "a" / "out.bin", result(b"0123456780"))


def test_half_a_download_has_no_name_and_is_gone_on_with(tmp_path: Path) -> None:
    received(tmp_path, [CONTENT[:4]]).close()
    assert not (tmp_path / "a" / "out.bin").exists()
    assert Download(tmp_path / "a" / "out.bin", result()).headers()["Range"] == "bytes=4-"
    assert received(tmp_path, [CONTENT[4:]], 206, 4).finish().read_bytes() == CONTENT


def test_a_server_that_sends_all_again_starts_over(tmp_path: Path) -> None:
    received(tmp_path, [CONTENT[:4]]).close()
    assert received(tmp_path, [CONTENT]).finish().read_bytes() == CONTENT


def test_another_part_than_asked_for_is_refused(tmp_path: Path) -> None:
    received(tmp_path, [CONTENT[:4]]).close()
    with pytest.raises(BadAnswer, match="another part came"):
        received(tmp_path, [CONTENT[5:]], 206, 5)


@pytest.mark.parametrize("content", [b"0123456780", CONTENT[:9], CONTENT + b"x"])
def test_what_came_damaged_is_not_kept(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadAnswer, match="came damaged"):
        received(tmp_path, [content]).finish()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_an_empty_result_is_a_file(tmp_path: Path) -> None:
    sink = Download(tmp_path / "empty", result(b"", "empty"))
    assert "Range" not in sink.headers()
    sink.begin(200, {})
    assert sink.finish().read_bytes() == b""
