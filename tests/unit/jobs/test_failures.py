"""Failures that are alike are of one group, and others are not."""

import pytest

from fanfold.jobs.failures import Cause, cause_of, group_id, normalised

TRACEBACK = """working on row 12
Traceback (most recent call last):
  File "/packages/9a/app/main.py", line 30, in <module>
    main()
  File "/packages/9a/app/parsing.py", line 7, in parse
    return int(row["amount"])
           ^^^^^^^^^^^^^^^^^^
{exception}""".splitlines()


def traceback(exception: str) -> list[str]:
    return [*TRACEBACK[:-1], *exception.splitlines()]


def test_the_cause_of_a_traceback_is_its_exception_and_innermost_frame() -> None:
    told = cause_of(traceback("ValueError: invalid literal for int() with base 10: 'x'"))
    assert told == Cause("ValueError: invalid literal for int() with base 10: 'x'", "parsing.py:7 parse")


def test_an_exception_of_several_lines_is_known_by_its_first() -> None:
    told = cause_of(traceback("pkg.errors.Bad: two problems\n  first\nsecond: not an exception's name"))
    assert told == Cause("pkg.errors.Bad: two problems", "parsing.py:7 parse")


def test_of_chained_exceptions_the_last_counts() -> None:
    first = traceback("KeyError: 'amount'")
    again = ["", "During handling of the above exception, another exception occurred:", "", *traceback("Worse: no")[1:]]
    assert cause_of([*first, *again]).exception == "Worse: no"


def test_a_cause_holds_nothing_that_a_terminal_or_a_database_would_stumble_over() -> None:
    assert cause_of(["a\0b", "\0\x1b "]) == Cause("a b")
    odd = ['  File "/app/ma\0in.py", line 3, in pa\x07rse', "    pass", "ValueError: \x1b[31mno\0"]
    assert cause_of(odd) == Cause("ValueError:  [31mno", "ma in.py:3 pa rse")


def test_without_a_traceback_the_last_line_that_says_something_is_the_cause() -> None:
    assert cause_of(["step 1", "grep: x: no such file", "", "  "]) == Cause("grep: x: no such file")
    assert cause_of([]) == Cause()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: row 12 is bad", "ValueError: row 130 is bad"),
        ("KeyError: 'ann'", "KeyError: 'bob'"),
        ('Error: no "x"', 'Error: no "y z"'),
        ("OSError: /scratch/a.1/in/data.bin is cut", "OSError: /scratch/b-7.2/in/data.bin is cut"),
        ("<Thing at 0x7f00aa> broke", "<Thing at 0x7f01bc> broke"),
        ("no job 123e4567-e89b-12d3-a456-426614174000", "no job 9b2e4567-e89b-12d3-a456-42661417ffff"),
    ],
)
def test_what_differs_from_chunk_to_chunk_makes_no_group(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert group_id("exit_code", Cause(one)) == group_id("exit_code", Cause(other))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("killed", Cause("ValueError: row 1", "main.py:3 parse")),
        ("exit_code", Cause("TypeError: row 1", "main.py:3 parse")),
        ("exit_code", Cause("ValueError: row 1", "main.py:9 write")),
    ],
)
def test_another_reason_exception_or_frame_makes_another_group(reason: str, cause: Cause) -> None:
    assert group_id(reason, cause) != group_id("exit_code", Cause("ValueError: row 1", "main.py:3 parse"))
