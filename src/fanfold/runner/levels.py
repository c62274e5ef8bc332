"""How serious a line of a log is, read from the line itself.

Known are: the words of Python, Java and most others in capitals; `level=info`; `[info]`; `warning: ...` at the start or
after a place in a file; Google's `E0504 12:00:00`; JSON lines with a level by name, or by the number of syslog (0 to 7)
or pino (10 to 60); tracebacks of Python, Java, Go and Rust. Only the first letters of a line are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DEBUG, INFO, WARNING, ERROR, UNKNOWN = "DEBUG", "INFO", "WARNING", "ERROR", "UNKNOWN"

_WITHIN = 80
_LONGEST_JSON = 16 * 1024
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("TRACE", "VERBOSE", "DEBUG", "FINE"), DEBUG),
    **dict.fromkeys(("INFO", "INFORMATION", "NOTICE", "NOTE"), INFO),
    **dict.fromkeys(("WARN", "WARNING"), WARNING),
    **dict.fromkeys(("ERROR", "ERR", "SEVERE", "CRITICAL", "CRIT", "FATAL", "ALERT", "EMERG", "PANIC"), ERROR),
}
_LETTERS: Mapping[str, str] = {"I": INFO, "W": WARNING, "E": ERROR, "F": ERROR}
_PINO: Mapping[int, str] = {10: DEBUG, 20: DEBUG, 30: INFO, 40: WARNING, 50: ERROR, 60: ERROR}
_SYSLOG = (ERROR, ERROR, ERROR, ERROR, WARNING, INFO, INFO, DEBUG)
_KEYS = ("level", "levelname", "severity", "lvl", "log.level", "loglevel", "@level")

_ANY = "trace|verbose|debug|info|notice|note|warn|warning|error|err|severe|critical|crit|fatal|alert|emerg|panic"
_STATED = re.compile(
    rf"""\b(?P<capitals>TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|SEVERE|CRITICAL|FATAL)\b
    | \b(?:level|lvl|severity)=["']?(?P<logfmt>(?i:{_ANY}))\b
    | [\[<|]\s*(?P<bracketed>(?i:{_ANY}))\s*[\]>|]
    | (?:^|:\s)(?P<before_colon>(?i:{_ANY}))(?:\s(?i:error))?(?:\[\w+\])?:\s
    | ^(?P<letter>[IWEF])[01]\d[0-3]\d\s\d\d:\d\d:\d\d
    | ^\S+:\d+:\s\w*(?P<python>Warning):\s""",
    re.VERBOSE,
)
_OF_A_TRACEBACK = re.compile(
    r"During handling of the above exception|The above exception was the direct cause|Exception in thread "
    r"|Caused by: |panic: |\s+at \S+\(.*\)$|thread '.*' panicked at"
)
_FIRST_OF_ONE = "Traceback (most recent call last):"


class Levels:
    """Reads levels line by line; remembers whether a traceback is being printed."""

    def __init__(self) -> None:
        self._in_traceback = False

    def of(self, line: str) -> str:
        """The level of the next line."""
        if _FIRST_OF_ONE in line[:_WITHIN]:
            self._in_traceback = True
            return ERROR
        if self._in_traceback:
            self._in_traceback = line.startswith(" ")
            return ERROR
        if line.startswith("{"):
            return _of_json(line) or _of_text(line)
        return _of_text(line)


def _of_text(line: str) -> str:
    found = _STATED.search(line, 0, _WITHIN)
    if found is None:
        return ERROR if _OF_A_TRACEBACK.match(line, 0, 10 * _WITHIN) else UNKNOWN
    kind = found.lastgroup or ""
    said = found[kind]
    return _LETTERS[said] if kind == "letter" else _NAMES[said.upper()]


def _of_json(line: str) -> str:
    """The level of a JSON line; "" where it is none, or says none that is known."""
    if len(line) > _LONGEST_JSON or not line.endswith("}"):
        return ""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    stated = next((entry[key] for key in _KEYS if key in entry), None)
    return _of_value(stated)


def _of_value(stated: Any) -> str:
    if isinstance(stated, str):
        return _NAMES.get(stated.upper(), "")
    if isinstance(stated, int) and not isinstance(stated, bool):
        return _SYSLOG[stated] if 0 <= stated < len(_SYSLOG) else _PINO.get(stated, "")
    return ""
