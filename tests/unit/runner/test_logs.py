"""What a program prints, line by line."""

import errno
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.jobs.secrets import Masker
from fanfold.runner.logs import MAX_LINE_BYTES, TAIL_LINES, AttemptLog
from tests.values import NOON


class Clock:
    """A clock that stands at noon."""

    def now(self) -> datetime:
        return NOON + timedelta(milliseconds=1)

    def monotonic(self) -> float:
        return 0.0


def a_log(place: Path, *secrets: str) -> AttemptLog:
    return AttemptLog(place, "log", Clock(), Effects(), Masker(secrets))


@pytest.fixture
def log(tmp_path: Path) -> AttemptLog:
    return a_log(tmp_path)


def written(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").split("\n") if line]


def lines(tmp_path: Path) -> list[str]:
    return [entry["line"] for entry in written(tmp_path)]


def test_a_log_appears_with_its_first_line(log: AttemptLog, tmp_path: Path) -> None:
    log.feed(b"half")
    assert not (tmp_path / "log.jsonl").exists()
    log.feed(b" a line\nand")
    assert written(tmp_path) == [{"at": "2031-05-04T12:00:00.001Z", "level": "UNKNOWN", "line": "half a line"}]
    log.close()
    assert lines(tmp_path) == ["half a line", "and"]


def test_a_program_that_says_nothing_has_no_log(log: AttemptLog, tmp_path: Path) -> None:
    log.feed(b"")
    log.close()
    log.close()
    assert (list(tmp_path.iterdir()), log.last_words()) == ([], "")


def test_letters_that_come_in_pieces_are_put_together(log: AttemptLog, tmp_path: Path) -> None:
    for byte in "grün\r\nünder\n".encode():
        log.feed(bytes([byte]))
    assert lines(tmp_path) == ["grün", "ünder"]


def test_bytes_that_are_no_text_are_shown_as_such(log: AttemptLog, tmp_path: Path) -> None:
    log.feed(b"\xff\xfe\x00 no\n")
    assert lines(tmp_path) == ["\ufffd\ufffd\x00 no"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_line_without_end_is_cut_into_pieces(log: AttemptLog, tmp_path: Path, at_once: bool) -> None:
    data = b"x" * (3 * MAX_LINE_BYTES + 5) + b"\nlast\n"
    size = len(data) if at_once else 1000
    for begin in range(0, len(data), size):
        log.feed(data[begin : begin + size])
    log.close()
    assert [len(line) for line in lines(tmp_path)] == [MAX_LINE_BYTES] * 3 + [5, 4]


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (b"  1%\r 50%\r100%\n", ["100%"]),
        (b"  1%\r 50%\r100%\r\n", ["100%"]),
        (b" 50%\r100%\r      \rdone\n", ["done"]),
        (b" 50%\r100%\r      \r\n", ["100%"]),
        (b"\r\n", [""]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b" 50%\r100%", ["100%"]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_of_a_line_that_is_written_over_the_last_state_is_kept(
    log: AttemptLog, tmp_path: Path, printed: bytes, kept: list[str], at_once: bool
) -> None:
    for piece in [printed] if at_once else [printed[place : place + 1] for place in range(len(printed))]:
        log.feed(piece)
    log.close()
    assert lines(tmp_path) == kept


def test_a_progress_bar_of_a_million_states_is_one_line(log: AttemptLog, tmp_path: Path) -> None:
    for begin in range(0, 1_000_000, 10_000):
        log.feed(b"".join(b"\r%d of a million" % number for number in range(begin, begin + 10_000)))
    log.feed(b"\r  \r\n")
    assert lines(tmp_path) == ["999999 of a million"]


def test_the_last_words_are_the_last_that_say_something(log: AttemptLog) -> None:
    log.feed(b"Traceback (most recent call last):\n  File\nValueError: no such word\n\n   \n")
    assert log.last_words() == "ValueError: no such word"
    log.feed(b"y" * 1000 + b"\n")
    assert log.last_words() == "y" * 500
    log.feed(b"\n" * (TAIL_LINES + 1))
    assert log.last_words() == ""


def test_last_words_hold_nothing_that_a_terminal_or_a_database_would_stumble_over(log: AttemptLog) -> None:
    log.feed(b"\x1b[2J\x1b]0;owned\x07 red\x00 and \x1b[31mdead\n")
    assert log.last_words().isprintable()
    assert "dead" in log.last_words()


def test_lines_that_a_full_disk_cost_are_counted_where_they_are_missing(
    log: AttemptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    log.feed(b"first\n")
    with monkeypatch.context() as filled:
        filled.setattr("fanfold.runner.kept_log.os.write", full)
        log.feed(b"a\nb\n")
        log.feed(b"c\n")
    log.feed(b"last\n")
    assert lines(tmp_path) == ["first", "[3 lines are missing here: the disk was full]", "last"]


# ---- a line without an end


def _open(place: Path) -> tuple[int, str]:
    """The byte that the line without an end will begin at, and the line."""
    begin, _, entry = (place / "log.open").read_bytes().partition(b" ")
    return int(begin), json.loads(entry)["line"]


def test_a_line_without_an_end_is_kept_until_it_has_one(log: AttemptLog, tmp_path: Path) -> None:
    log.keep_open()
    log.feed(b"a line\n 10%")
    log.keep_open()
    size = (tmp_path / "log.jsonl").stat().st_size
    assert _open(tmp_path) == (size, " 10%")
    log.feed(b"\r 20%")
    log.keep_open()
    assert _open(tmp_path) == (size, " 20%")
    log.close()
    assert lines(tmp_path) == ["a line", " 20%"]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_line_without_an_end_is_written_once(log: AttemptLog, tmp_path: Path) -> None:
    log.feed(b"and?")
    log.keep_open()
    (tmp_path / "log.open").unlink()
    log.keep_open()
    assert not (tmp_path / "log.open").exists()


def test_the_beginning_of_a_secret_is_kept_back(tmp_path: Path) -> None:
    log = a_log(tmp_path, "wJalrXUtnFEMI")
    log.feed(b"key: wJalrXU")
    log.keep_open()
    assert _open(tmp_path) == (0, "key: ")
    log.feed(b"tnFEMI!")
    log.keep_open()
    assert _open(tmp_path) == (0, "key: ***!")


# ---- secrets


def _masked(tmp_path: Path, *pieces: bytes, value: str = "wJalrXUtnFEMI") -> str:
    log = a_log(tmp_path, value)
    for piece in pieces:
        log.feed(piece)
    log.close()
    return (tmp_path / "log.jsonl").read_text()


def test_a_secret_is_masked_wherever_its_pieces_are_cut(tmp_path: Path) -> None:
    written = _masked(tmp_path, b"key wJalr", b"XUtn", b"FEMI!\nlast wJalrXUtnFEMI")
    assert [json.loads(line)["line"] for line in written.splitlines()] == ["key ***!", "last ***"]


@pytest.mark.parametrize(
    "before", [MAX_LINE_BYTES - 5, MAX_LINE_BYTES, 2 * MAX_LINE_BYTES - 1, 2 * MAX_LINE_BYTES - 40]
)
def test_a_secret_is_masked_where_a_long_line_is_cut(tmp_path: Path, before: int) -> None:
    text = b"x" * before + b"wJalrXUtnFEMI" + b"y" * MAX_LINE_BYTES
    for size in (len(text), 4096, 30_000):
        (tmp_path / "log.jsonl").unlink(missing_ok=True)
        pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
        whole = "".join(json.loads(line)["line"] for line in _masked(tmp_path, *pieces).splitlines())
        assert whole == "x" * before + "***" + "y" * MAX_LINE_BYTES


def test_a_secret_is_masked_in_last_words(tmp_path: Path) -> None:
    log = a_log(tmp_path, "wJalrXUtnFEMI")
    log.feed(b"no access with wJalrXUtnFEMI\n")
    assert log.last_words() == "no access with ***"
