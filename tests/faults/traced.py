"""Reads what `strace -f -y` saw of a run, and checks the order of R16: a result's files are on disk, then it has its
name, then its folder is on disk, then the runner reports, then the database has it on disk, then it is acted upon."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

CALLS = "fsync,fdatasync,rename,renameat,renameat2,pwrite64,write,sendto"
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>")


@dataclass
class Call:
    """One system call: its arguments as strace prints them, the lines at which it began and had ended."""

    name: str
    arguments: str
    began: int
    ended: int


def calls_of(lines: Iterable[str]) -> list[Call]:
    """The calls in the order in which they began."""
    found: list[Call] = []
    open_calls: dict[str, Call] = {}
    for number, line in enumerate(lines):
        pid, rest = _LINE.fullmatch(line.rstrip("\n")).group("pid", "rest")
        if (resumed := _RESUMED.match(rest)) is not None:
            call = open_calls.pop(pid)
            assert call.name == resumed["name"]
            call.ended = number
        elif (begun := _CALL.match(rest)) is not None:
            call = Call(begun["name"], begun["arguments"], number, number)
            found.append(call)
            if rest.endswith("<unfinished ...>"):
                open_calls[pid] = call
    return found


class OutOfOrder(AssertionError):
    """Something happened before what must be on disk first, or did not happen at all."""


class Trace:
    """Questions about the calls of a run."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.calls = calls_of(lines)

    def first(self, after: Call | None, what: str, names: str, *parts: str) -> Call:
        """The first call of one of `names` that has all `parts` in its arguments and began after another had ended."""
        since = -1 if after is None else after.ended
        for call in self.calls:
            if call.began > since and call.name in names.split() and all(part in call.arguments for part in parts):
                return call
        raise OutOfOrder(f"no {what} after line {since + 1}")

    def syncs(self, path: str) -> Iterator[Call]:
        """Where something was brought to disk."""
        return (call for call in self.calls if call.name in ("fsync", "fdatasync") and f"{path}>" in call.arguments)

    def check_result(self, job: str, attempt: str, files: Iterable[str], mark: str) -> Call:
        """The order for one published result; `mark` is a text that its database row has and no earlier one.

        Returns the call that brought the row to disk.
        """
        made, published = f"/{Path(job).name}.{attempt}/out", f"{job}/results/{attempt}"
        named = self.first(None, f"publication of {attempt}", "rename renameat renameat2", f'{made}"', f'"{published}"')
        for path in [made, *(f"{made}/{file}" for file in files)]:
            if not any(call.ended < named.began for call in self.syncs(path)):
                raise OutOfOrder(f"'{path}' was not on disk when it became '{published}'")
        listed = self.first(named, f"fsync of the folder of {attempt}", "fsync", f"{job}/results>")
        told = self.first(None, f"report of {attempt}", "sendto", '\\"is\\":\\"ended\\"', mark)
        if told.began < listed.ended:
            raise OutOfOrder(f"{attempt} was reported before its folder was on disk")
        sent = replace(told, ended=told.began)  # it is heard before strace sees the call return
        written = self.first(sent, f"row of {attempt}", "pwrite64", "fanfold.db-wal>", mark)
        return self.first(written, f"commit of {attempt}", "fdatasync fsync", "fanfold.db-wal>")
