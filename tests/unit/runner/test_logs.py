"""What a program prints, line by line."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fanfold.jobs.secrets import Masker
from fanfold.runner import logs
from fanfold.runner.logs import MAX_LINE_BYTES, TAIL_LINES, AttemptLog, Levels
from tests.values import NOON


class Clock:
    """A clock that stands at noon."""

    def now(self) -> datetime:
        return NOON + timedelta(milliseconds=1)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def log(tmp_path: Path) -> AttemptLog:
    return AttemptLog(tmp_path / "log.jsonl", Clock())


def written(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").split("\n") if line]


def lines(tmp_path: Path) -> list[str]:
    return [entry["line"] for entry in written(tmp_path)]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("DEBUG: reading", "DEBUG"),
        ("2031-05-04 12:00:00 INFO reading", "INFO"),
        ("[WARNING] slow", "WARNING"),
        ("WARN slow", "WARNING"),
        ("app: ERROR: no", "ERROR"),
        ("CRITICAL", "ERROR"),
        ("FATAL no", "ERROR"),
        ("information", "UNKNOWN"),
        ("ERRORS: 0", "UNKNOWN"),
        ("error: no", "UNKNOWN"),
        ("", "UNKNOWN"),
        ("x" * 90 + " ERROR", "UNKNOWN"),
    ],
)
def test_a_level_is_read_where_a_line_states_one(line: str, level: str) -> None:
    assert Levels().of(line) == level


def test_a_traceback_is_an_error_to_its_last_line_and_no_further() -> None:
    levels = Levels()
    printed = [
        "start",
        "Traceback (most recent call last):",
        '  File "a.py", line 1',
        "    INFO = 1 / 0",
        "ValueError: no",
        "INFO on",
    ]
    assert [levels.of(line) for line in printed] == ["UNKNOWN", "ERROR", "ERROR", "ERROR", "ERROR", "INFO"]


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


def test_a_log_that_grows_too_long_ends_with_a_word_about_it(
    log: AttemptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1000)
    for number in range(100):
        log.feed(f"line {number}\n".encode())
    log.close()
    *_, last = written(tmp_path)
    assert (last["level"], last["line"]) == ("WARNING", "the log passed 1000 bytes; the rest is left out")
    assert sum("left out" in line for line in lines(tmp_path)) == 1
    assert log.last_words() == "line 99"


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


# ---- secrets


def _masked(tmp_path: Path, *pieces: bytes, value: str = "wJalrXUtnFEMI") -> str:
    log = AttemptLog(tmp_path / "log.jsonl", Clock(), Masker([value]))
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
    log = AttemptLog(tmp_path / "log.jsonl", Clock(), Masker(["wJalrXUtnFEMI"]))
    log.feed(b"no access with wJalrXUtnFEMI\n")
    assert log.last_words() == "no access with ***"
