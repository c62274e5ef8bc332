"""How serious a line is, read from the line itself."""

import pytest

from fanfold.runner.levels import Levels

STATED = [
    ("DEBUG: reading", "DEBUG"),
    ("2031-05-04 12:00:00 INFO reading", "INFO"),
    ("2031-05-04 12:00:00,123 - app - WARNING - slow", "WARNING"),
    ("INFO:root:it said ERROR", "INFO"),
    ("[WARNING] slow", "WARNING"),
    ("WARN slow", "WARNING"),
    ("app: ERROR: no", "ERROR"),
    ("CRITICAL", "ERROR"),
    ("FATAL no", "ERROR"),
    ("TRACE in", "DEBUG"),
    ("SEVERE: no", "ERROR"),
    ("2031-05-04T12:00:00Z  WARN app::net: slow", "WARNING"),
    ("error: no such file", "ERROR"),
    ("Error: no such file", "ERROR"),
    ("fatal error: no input", "ERROR"),
    ("main.c:3:7: warning: unused", "WARNING"),
    ("main.py:3: DeprecationWarning: old", "WARNING"),
    ("info: up", "INFO"),
    ("npm warn old", "UNKNOWN"),
    ("[info] up", "INFO"),
    ("2031-05-04 12:00 [info     ] up  who=me", "INFO"),
    ("2031-05-04 | error | no", "ERROR"),
    ('time="2031" level=warning msg="an ERROR was near"', "WARNING"),
    ('ts=1 lvl="debug" msg=x', "DEBUG"),
    ("E0504 12:00:00.000001 7 main.cc:3] no", "ERROR"),
    ("W0504 12:00:00.000001 7 main.cc:3] slow", "WARNING"),
    ('{"level": "info", "msg": "an ERROR"}', "INFO"),
    ('{"levelname": "CRITICAL", "message": "no"}', "ERROR"),
    ('{"severity": "NOTICE"}', "INFO"),
    ('{"log.level": "warn"}', "WARNING"),
    ('{"level": 30, "msg": "pino"}', "INFO"),
    ('{"level": 50}', "ERROR"),
    ('{"level": 3, "short_message": "gelf"}', "ERROR"),
    ('{"level": true}', "UNKNOWN"),
    ('{"level": 7000}', "UNKNOWN"),
    ('{"level": ["info"]}', "UNKNOWN"),
    ('{"a": 1}', "UNKNOWN"),
    ('{"level": "info"', "UNKNOWN"),
    ("{" * 5000 + "}", "UNKNOWN"),
    ('{"a":' * 3000 + "}" * 3000, "UNKNOWN"),
    ("java.lang.Error", "UNKNOWN"),
    ('Exception in thread "main" java.lang.IllegalStateException: no', "ERROR"),
    ("\tat org.example.Main.main(Main.java:7)", "ERROR"),
    ("Caused by: java.io.IOException", "ERROR"),
    ("panic: runtime error", "ERROR"),
    ("thread 'main' panicked at src/main.rs:2:5:", "ERROR"),
    ("information", "UNKNOWN"),
    ("ERRORS: 0", "UNKNOWN"),
    ("errors: 0", "UNKNOWN"),
    ("10 errors found", "UNKNOWN"),
    ("", "UNKNOWN"),
    ("x" * 90 + " ERROR", "UNKNOWN"),
]


@pytest.mark.parametrize(("line", "level"), STATED)
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


def test_what_joins_two_tracebacks_is_an_error_too() -> None:
    levels = Levels()
    printed = [
        "Traceback (most recent call last):",
        "KeyError: 'x'",
        "The above exception was the direct cause of the following exception:",
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "a.py", line 1',
    ]
    assert {levels.of(line) for line in printed} == {"ERROR"}
