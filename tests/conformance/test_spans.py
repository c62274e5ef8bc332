"""What every store tells of when attempts ran."""

from fanfold.jobs.models import JobState
from fanfold.ports.spans import Span
from fanfold.stores.spans import SqlSpans
from fanfold.stores.sql import SqlStore
from tests.conformance.scenes import brought_to, claimed, end, failure, success
from tests.values import NOON, after


def micros(at: object) -> int:
    return round(at.timestamp() * 1e6)  # type: ignore[attr-defined]


def test_each_attempt_is_told_once_those_under_way_last(store: SqlStore) -> None:
    brought_to(store, JobState.PARTITIONED, chunks=3)
    first, second = claimed(store, 2)
    store.finish([end(first, success(first)), end(second, failure(second, after(5)))])
    claimed(store, 1)
    spans = list(SqlSpans(store.database).of_job("job"))
    assert [(span.chunk, span.attempt, span.how) for span in spans] == [
        (0, 1, "Succeeded"),
        (1, 1, "ProgramFailed"),
        (2, 1, ""),
    ]
    assert spans[1].assigned == micros(NOON)
    assert spans[1].ended == micros(after(5))
    assert spans[2].ended is None


def test_a_job_without_attempts_has_none(store: SqlStore) -> None:
    brought_to(store, JobState.PARTITIONED)
    assert list(SqlSpans(store.database).of_job("job")) == []
    assert list(SqlSpans(store.database).of_job("another")) == []


def test_a_span_has_a_name_for_each_column() -> None:
    assert Span._fields == ("chunk", "attempt", "runner", "assigned", "started", "ended", "how", "ran")
