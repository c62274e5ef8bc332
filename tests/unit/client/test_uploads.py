"""A file that is sent: hashed and counted on its way, each time from the beginning, and compared with what came."""

import hashlib
import json
from pathlib import Path

import pytest

from fanfold.cli.uploading import Plain
from fanfold.client.errors import BadAnswer
from fanfold.client.exchange import Answer
from fanfold.client.uploads import PIECE_BYTES, FileToSend

DATA = b"x" * PIECE_BYTES + b"yz"


def answer(data: bytes) -> Answer:
    body = {"name": "a", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return Answer(200, {}, json.dumps(body).encode())


def send(file: FileToSend) -> bytes:
    file.size_bytes()
    with file.opened() as reader:
        return b"".join(iter(lambda: file.next_of(reader), b""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a"
    made.write_bytes(DATA)
    return made


def test_what_came_is_compared_with_what_was_sent_last(path: Path) -> None:
    told: list[tuple[int, int]] = []
    file = FileToSend(path, lambda sent, total: told.append((sent, total)))
    for _ in range(2):
        assert send(file) == DATA
        assert file.stored(answer(DATA)).size == len(DATA)
    assert told == 2 * [(0, len(DATA)), (PIECE_BYTES, len(DATA)), (len(DATA), len(DATA))]
    for other in (DATA[:-1], DATA[:-1] + b"!"):
        with pytest.raises(BadAnswer, match="upload it again"):
            file.stored(answer(other))


def test_progress_elsewhere_than_on_a_terminal_is_a_line_now_and_then() -> None:
    lines: list[str] = []
    times = iter([0.0, 1.0, 2.5, 2.5, 3.0, 5.0, 5.0])
    plain = Plain("a.bin", lines.append, lambda: next(times))
    for sent in (0, 1024, 2048, 4096):
        plain(sent, 4096)
    assert lines == ["uploading a.bin: 1.0 KiB of 4.0 KiB", "uploading a.bin: 4.0 KiB of 4.0 KiB"]
