"""A log on disk keeps its head and its tail, whatever becomes of its runner, and its reader says what is missing."""

import errno
import json
import os
from pathlib import Path

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.effects import Effects
from fanfold.jobs import log_names
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.runner import kept_log
from fanfold.runner.kept_log import KeptLog
from fanfold.services.log_files import Log, last_lines, lines_of, log_of

ATTEMPT = AttemptKey(TaskKey("job", Role.APP, 3), 1)


def entry(text: str) -> bytes:
    return json.dumps({"at": "2031-05-04T12:00:00.000Z", "level": "INFO", "line": text}).encode() + b"\n"


SIZE = len(entry("0000"))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptLog:
    """A log with a head of ten lines and pieces of four, two of which are kept."""
    monkeypatch.setattr(log_names, "HEAD_BYTES", 10 * SIZE)
    monkeypatch.setattr(log_names, "PIECE_BYTES", 4 * SIZE)
    return KeptLog(tmp_path, ATTEMPT.name, Effects())


def filled(kept: KeptLog, first: int, last: int) -> None:
    for number in range(first, last + 1):
        kept.append(entry(f"{number:04}"))


def read(place: Path) -> Log:
    log = log_of(ATTEMPT, place, FileBlobs(Effects()))
    assert log is not None
    return log


def texts(place: Path, start: int = 0, *, unfinished: bool = False) -> list[str]:
    return [line.text for line in lines_of(read(place), start, unfinished=unfinished)]


def numbers(first: int, last: int) -> list[str]:
    return [f"{number:04}" for number in range(first, last + 1)]


def test_a_log_that_fits_is_one_file(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 9)
    assert texts(tmp_path) == numbers(0, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["app-3.1.jsonl"]


def test_a_longer_log_has_no_gap_while_all_its_pieces_are_there(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 17)
    assert texts(tmp_path) == numbers(0, 17)


def test_of_a_very_long_log_head_and_tail_are_kept_and_said_so(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 1000)
    *head, notice = texts(tmp_path)[:11]
    assert head == numbers(0, 9)
    assert notice.startswith("[0.1 MiB of this log are left out here")
    tail = texts(tmp_path)[11:]
    assert tail == numbers(1001 - len(tail), 1000)
    assert 4 < len(tail) <= 8
    assert len(list(tmp_path.iterdir())) == 3


def test_who_reads_on_from_where_a_log_is_gone_is_told_and_goes_on(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 13)
    at = [line.end for line in lines_of(read(tmp_path))][12]
    filled(kept, 14, 40)
    notice, *rest = texts(tmp_path, at)
    assert "left out" in notice
    assert rest == numbers(int(rest[0]), 40)
    ends = [line.end for line in lines_of(read(tmp_path), at)]
    assert texts(tmp_path, ends[0]) == rest
    assert texts(tmp_path, ends[3]) == rest[3:]
    assert texts(tmp_path, ends[-1]) == []


def test_a_piece_that_is_removed_while_it_is_read_is_a_gap(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 17)
    log = read(tmp_path)
    (tmp_path / log_names.piece_name(ATTEMPT.name, 10 * SIZE)).unlink()
    found = [line.text for line in lines_of(log)]
    assert found[:10] + found[11:] == numbers(0, 9) + numbers(14, 17)
    assert "left out" in found[10]


def test_the_last_lines_come_from_the_tail(kept: KeptLog, tmp_path: Path) -> None:
    filled(kept, 0, 1000)
    kept.keep_open(entry("half"))
    assert last_lines(read(tmp_path), 3) == ("0999", "1000", "half")


def test_the_last_lines_of_a_long_log_are_whole(tmp_path: Path) -> None:
    kept = KeptLog(tmp_path, ATTEMPT.name, Effects())
    filled(kept, 0, 3000)
    assert last_lines(read(tmp_path), 2) == ("2999", "3000")
    assert len(last_lines(read(tmp_path), 10_000)) < 3000


def test_a_line_without_an_end_is_there_until_one_follows(kept: KeptLog, tmp_path: Path) -> None:
    kept.keep_open(entry("half"))
    assert texts(tmp_path) == []
    assert texts(tmp_path, unfinished=True) == ["half"]
    filled(kept, 0, 0)
    assert texts(tmp_path, unfinished=True) == ["0000"]
    kept.keep_open(entry("half again"))
    assert texts(tmp_path, unfinished=True) == ["0000", "half again"]
    filled(kept, 1, 20)
    assert texts(tmp_path, unfinished=True) == texts(tmp_path)


def test_a_full_disk_costs_lines_and_a_line_that_it_cut_is_shown_as_it_is(
    kept: KeptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(kept, 0, 0)
    write, room = os.write, iter([7])

    def filling(descriptor: int, data: bytes) -> int:
        for size in room:
            return write(descriptor, data[:size])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(kept_log.os, "write", filling)
        assert not kept.append(entry("0001"))
        assert not kept.append(entry("0002"))
    assert kept.append(entry("0003"))
    assert texts(tmp_path) == ["0000", entry("0001").decode()[:7], "0003"]


def test_a_write_that_took_a_part_is_gone_on_with(
    kept: KeptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(kept_log.os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    filled(kept, 0, 12)
    assert texts(tmp_path) == numbers(0, 12)


@pytest.mark.parametrize(
    "name", ["app-3.1.open.part", ".app-3.1.open.part", "app-3.1.7.open", "app-3.jsonl", "cook-3.1.jsonl", "app-3.1"]
)
def test_other_files_are_no_logs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(entry("no"))
    assert log_of(ATTEMPT, tmp_path, FileBlobs(Effects())) is None
