"""Logs are found by program, level, task and text, page by page, while they are still being written."""

import json
from pathlib import Path

import pytest

from fanfold.errors import BadInput
from fanfold.jobs.lifecycle import Failed
from fanfold.jobs.models import Job, Role
from fanfold.services.logs import LATE, LogQuery, LogService
from tests.shelf import Shelf
from tests.values import ROAD, after


def line(text: str, second: float = 0, level: str = "INFO") -> bytes:
    stamp = after(second).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": stamp, "level": level, "line": text}).encode() + b"\n"


@pytest.fixture
def service(shelf: Shelf) -> LogService:
    return LogService(shelf.store, shelf.workspace)


@pytest.fixture
def job(shelf: Shelf) -> Job:
    """A job that runs, whose programs printed five lines."""
    shelf.drafted()
    job = shelf.stepped("job", ROAD[0])
    shelf.printed(Role.ASSEMBLER, 0, 1, line("merging", 9))
    shelf.printed(Role.APP, 10, 1, line("ten", 3, "WARNING"))
    shelf.printed(Role.APP, 2, 2, line("two again", 4))
    shelf.printed(Role.APP, 2, 1, line("Two fails", 2, "ERROR"))
    shelf.printed(Role.PARTITIONER, 0, 1, line("cutting", 1, "UNKNOWN"))
    return job


def found(service: LogService, job: Job, **query: object) -> list[str]:
    return [item.text for item in service.read(job, LogQuery(**query)).lines]  # type: ignore[arg-type]


def test_lines_come_by_program_then_chunk_then_attempt(service: LogService, job: Job) -> None:
    assert found(service, job) == ["cutting", "Two fails", "two again", "ten", "merging"]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ({"services": frozenset({"taskrunner"})}, ["Two fails", "two again", "ten"]),
        ({"services": frozenset({"app"})}, ["Two fails", "two again", "ten"]),
        ({"services": frozenset({"partitioner", "assembler"})}, ["cutting", "merging"]),
        ({"levels": frozenset({"ERROR", "warn"})}, ["Two fails", "ten"]),
        ({"levels": frozenset({"critical"})}, ["Two fails"]),
        ({"task_ids": frozenset({"job-2"})}, ["Two fails", "two again"]),
        ({"task_ids": frozenset({"job-partitioner-0", "job-10"})}, ["cutting", "ten"]),
        ({"task_ids": frozenset({"job-7", "../job-2"})}, []),
        ({"query": "TWO"}, ["Two fails", "two again"]),
        ({"query": "[a-z]*"}, []),
        ({"query": "two", "levels": frozenset({"INFO"})}, ["two again"]),
        ({"after": "2031-05-04T12:00:03Z"}, ["two again", "merging"]),
        ({"limit": 2}, ["cutting", "Two fails"]),
    ],
)
def test_every_part_of_a_question_narrows(
    service: LogService, job: Job, query: dict[str, object], lines: list[str]
) -> None:
    assert found(service, job, **query) == lines


@pytest.mark.parametrize(
    "text", ['say "yes"', "back\\slash", "300 \u212aelvin", "\u017ftra\u00dfe", "tab\there", "del\x7f", "~|{}"]
)
def test_a_text_is_found_by_each_of_its_letters_and_in_either_case(
    shelf: Shelf, service: LogService, job: Job, text: str
) -> None:
    entry = json.dumps({"at": "2031-05-04T12:00:00Z", "level": "DEBUG", "line": text}, ensure_ascii=False)
    shelf.printed(Role.APP, 11, 1, entry.encode() + b"\n")
    for query in (text, text.upper(), text.casefold(), *text.casefold()):
        assert text in found(service, job, query=query, task_ids=frozenset({"job-11"}))
    assert found(service, job, query="at", task_ids=frozenset({"job-11"})) == []


def test_pages_together_are_the_whole_without_gap_or_double(service: LogService, job: Job) -> None:
    whole = found(service, job)
    for limit in (1, 2, 3, 5):
        pages, after_ = [], ""
        while True:
            page = service.read(job, LogQuery(limit=limit, after=after_))
            pages += [item.text for item in page.lines]
            after_ = page.next
            if not after_:
                break
        assert pages == whole


def backward(service: LogService, job: Job, **query: object) -> list[str]:
    """All that fits, page by page from the end."""
    pages: list[str] = []
    before = ""
    while True:
        page = service.earlier(job, LogQuery(before=before, **query))  # type: ignore[arg-type]
        assert page.next == before
        pages = [item.text for item in page.lines] + pages
        before = page.previous
        if not before:
            return pages


def test_pages_from_the_end_together_are_the_whole_too(
    service: LogService, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = found(service, job)
    for limit in (1, 2, 3, 5):
        assert backward(service, job, limit=limit) == whole
    assert backward(service, job, limit=1, query="two") == ["Two fails", "two again"]
    assert backward(service, job, limit=1, services=frozenset({"app"})) == whole[1:4]
    monkeypatch.setattr("fanfold.services.logs.READ_AT_ONCE_BYTES", 100)
    assert backward(service, job, query="cutting") == ["cutting"]


@pytest.mark.parametrize("at_once", [1, 7, 100, 1000])
def test_a_log_is_read_backward_whatever_a_read_takes(
    shelf: Shelf, service: LogService, job: Job, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("fanfold.services.log_files.BACK_BYTES", at_once)
    texts = [f"{number} {'é' * number}" for number in range(40)]
    path = shelf.printed(Role.APP, 7, 1, b"".join(line(text) for text in texts))
    path.write_bytes(path.read_bytes() + b'{"at": "cut')
    opened(shelf.printed(Role.APP, 8, 1, line("whole")), "without an end")
    assert backward(service, job, limit=7, task_ids=frozenset({"job-7"})) == texts
    assert backward(service, job, task_ids=frozenset({"job-8"})) == ["whole", "without an end"]


def test_a_page_says_where_the_one_before_ends(service: LogService, job: Job) -> None:
    page = service.read(job, LogQuery(limit=2, after=service.read(job, LogQuery(limit=3)).next))
    before = service.earlier(job, LogQuery(before=page.previous))
    assert [item.text for item in [*before.lines, *page.lines]] == found(service, job)
    assert service.read(job, LogQuery()).previous == ""


def test_much_text_without_a_match_ends_a_page_early(
    service: LogService, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.services.logs.READ_AT_ONCE_BYTES", 100)
    lines, after_, pages = [], "", 0
    while after_ or not pages:
        page = service.read(job, LogQuery(query="merging", after=after_))
        lines += [item.text for item in page.lines]
        after_ = page.next
        pages += 1
    assert lines == ["merging"]
    assert pages > 1


def test_every_mistake_of_a_question_is_named(service: LogService, job: Job) -> None:
    query = LogQuery(levels=frozenset({"LOUD"}), services=frozenset({"cook"}), limit=0, after="yesterday")
    with pytest.raises(BadInput) as refused:
        service.read(job, query)
    assert [problem.field for problem in refused.value.problems] == ["levels", "services", "limit", "after"]


def test_a_line_that_is_half_written_comes_when_it_is_whole(shelf: Shelf, service: LogService, job: Job) -> None:
    whole = line("late", 5)
    shelf.printed(Role.APP, 11, 1, whole[:20])
    assert "late" not in found(service, job)
    shelf.printed(Role.APP, 11, 1, whole[20:])
    assert "late" in found(service, job)


@pytest.mark.parametrize("odd", [b"\xff\xfe torn\n", b"[]\n", b'{"at": 7}\n', b"\n", b'{"at": "x", "line": "y"}\n'])
def test_a_line_that_is_no_entry_is_shown_as_it_is(shelf: Shelf, service: LogService, job: Job, odd: bytes) -> None:
    shelf.printed(Role.APP, 11, 1, odd)
    [shown] = service.read(job, LogQuery(task_ids=frozenset({"job-11"}))).lines
    assert shown.level == "UNKNOWN"
    assert shown.text == odd.decode("utf-8", "replace").rstrip("\n")


def test_files_that_are_no_logs_are_passed_over(shelf: Shelf, service: LogService, job: Job) -> None:
    folder = shelf.workspace.job(job.id).logs
    for name in ("app-1.1.jsonl.part", "other-1.1.jsonl", "app-x.1.jsonl", "notes"):
        (folder / name).write_bytes(line("not this"))
    assert "not this" not in found(service, job)


def test_a_job_without_logs_has_no_lines(shelf: Shelf, service: LogService) -> None:
    job = shelf.drafted("other")
    assert found(service, job) == []
    assert list(service.lines(job)) == []


def test_a_download_has_every_line_and_shows_control_characters(shelf: Shelf, service: LogService, job: Job) -> None:
    shelf.printed(Role.APP, 11, 1, line("\x1b[31mred\x07\tend\x9b", 5))
    text = list(service.lines(job))
    assert text[0] == "2031-05-04T12:00:01.000Z partitioner-0.1 UNKNOWN cutting\n"
    assert "2031-05-04T12:00:05.000Z app-11.1 INFO \\x1b[31mred\\x07\tend\\x9b\n" in text
    assert len(text) == 6


def test_who_follows_sees_each_line_once_until_the_job_has_ended(shelf: Shelf, service: LogService, job: Job) -> None:
    following = service.follow(job)
    seen: list[str] = []

    def look(most: int = 100) -> None:
        lines, _ = following.news(shelf.clock.now(), most)
        seen.extend(item.text for item in lines)

    look(2)
    look(2)
    look()
    look()
    assert len(seen) == 5
    assert not following.over
    shelf.printed(Role.APP, 2, 2, line("more", 20))
    shelf.printed(Role.APP, 1, 1, line("first of one", 21))
    look()
    assert sorted(seen[5:]) == ["first of one", "more"]
    shelf.printed(Role.APP, 2, 2, line("last words", 22))
    shelf.stepped("job", Failed("tasks_failed", "no"))
    look()
    assert seen[7:] == ["last words"]
    assert following.over


def opened(path: Path, text: str) -> None:
    """Give a log a line that has no end yet."""
    path.with_suffix(".open").write_bytes(b"%d " % (path.stat().st_size if path.exists() else 0) + line(text, 23))


def test_a_line_without_an_end_is_found_and_comes_last_to_who_follows(
    shelf: Shelf, service: LogService, job: Job
) -> None:
    opened(shelf.printed(Role.APP, 2, 2), " 99% of two")
    opened(shelf.workspace.job("job").logs / "app-7.1.jsonl", "seven?")
    assert found(service, job, query="99%") == [" 99% of two"]
    assert found(service, job)[2:5] == ["two again", " 99% of two", "seven?"]
    assert sum("99%" in text for text in service.lines(job)) == 1
    following = service.follow(job)
    first, _ = following.news(shelf.clock.now(), 100)
    assert len(first) == 5
    shelf.stepped("job", Failed("tasks_failed", "no"))
    last, _ = following.news(shelf.clock.now(), 100)
    assert [item.text for item in last] == [" 99% of two", "seven?"]
    assert following.over
    assert following.news(shelf.clock.now(), 100)[0] == []


def test_who_follows_few_of_many_lines_reads_them_in_parts(
    shelf: Shelf, service: LogService, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.services.logs.FOLLOW_AT_ONCE_BYTES", 100)
    shelf.stepped("job", Failed("tasks_failed", "no"))
    following = service.follow(job, query=LogQuery(query="merging"))
    seen, looks = [], 0
    while not following.over:
        seen += [item.text for item in following.news(shelf.clock.now(), 100)[0]]
        looks += 1
    assert seen == ["merging"]
    assert looks > 1


def test_pages_of_a_log_with_a_gap_are_the_whole_without_double(shelf: Shelf, service: LogService, job: Job) -> None:
    head = shelf.printed(Role.APP, 7, 1, line("head"))
    begin = head.stat().st_size + 10 * 1024 * 1024
    head.with_name(f"app-7.1.{begin}.jsonl").write_bytes(line("tail") + line("end"))
    opened(head, "stale")
    pages, after_ = [], ""
    while True:
        page = service.read(job, LogQuery(limit=1, after=after_, task_ids=frozenset({"job-7"})))
        pages += [item.text for item in page.lines]
        after_ = page.next
        if not after_:
            break
    assert backward(service, job, limit=1, task_ids=frozenset({"job-7"})) == pages
    assert pages[:1] + pages[2:] == ["head", "tail", "end"]
    assert pages[1] == "[10.0 MiB of this log are left out here: of a long log only its head and its tail are kept]"


def test_who_comes_back_to_where_it_was_told_to_misses_nothing(shelf: Shelf, service: LogService, job: Job) -> None:
    shelf.clock.turn(30)
    first, whole = service.follow(job).news(shelf.clock.now(), 100)
    assert whole == shelf.clock.now() - LATE
    shelf.printed(Role.APP, 2, 2, line("later", 29))
    again, _ = service.follow(job, whole).news(shelf.clock.now(), 100)
    assert [item.text for item in again] == ["later"]
    assert len(first) == 5


def test_a_batch_that_was_cut_moves_no_position(shelf: Shelf, service: LogService, job: Job) -> None:
    _, whole = service.follow(job, after(1)).news(shelf.clock.now(), 2)
    assert whole == after(1)


@pytest.mark.parametrize("cursor", ["app-../secret.1:0", "app-1.1/../../secret:0", "app-1.1:-1", "other-1.1:0"])
def test_a_position_that_was_not_given_out_is_refused(service: LogService, job: Job, cursor: str) -> None:
    with pytest.raises(BadInput, match="neither the 'next'"):
        service.read(job, LogQuery(after=cursor))
