"""What a job will cost, by what others cost."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.jobs.estimates import Past, by_own_chunks, by_size, from_history, share
from fanfold.jobs.models import Tally
from fanfold.jobs.money import LARGEST, SMALLEST
from tests.values import a_job

D = Decimal


def test_runs_that_cost_alike_for_their_bytes_tell_by_bytes() -> None:
    past = [Past(D(2), 7, 200), Past(D(4), 3, 400), Past(D("1.01"), 9, 100)]
    found = from_history(past, 100, 1000)
    assert found is not None
    assert D("9.9") < found.median < D("10.2")
    assert found.low < found.median < found.high
    assert (found.runs_seen, found.basis) == (3, "history")


def test_runs_that_cost_alike_for_their_chunks_tell_by_chunks() -> None:
    past = [Past(D(2), 2, 900), Past(D(4), 4, 100), Past(D(1), 1, 777)]
    found = from_history(past, 10, 1000)
    assert found is not None
    assert found.median == 10


def test_what_is_not_known_of_the_job_is_not_asked() -> None:
    past = [Past(D(2), 2, 900), Past(D(2), 4, 100)]
    found = from_history(past, None, None)
    assert found is not None
    assert found.median == 2


def test_one_run_gives_a_wide_band_and_free_runs_none() -> None:
    found = from_history([Past(D(8), 1, 1), Past(D(0), 1, 1)], None, None)
    assert found is not None
    assert (found.low, found.median, found.high, found.runs_seen) == (2, 8, 32, 1)
    assert from_history([Past(D(0), 1, 1)], 1, 1) is None
    assert from_history([], 1, 1) is None


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3, 0.6])
def test_after_five_runs_the_band_holds_at_least_eight_of_ten_further_ones(spread: float) -> None:
    dice = random.Random(5)
    held = []
    for _ in range(100):
        costs = [D(str(round(dice.lognormvariate(0, spread), 8))) for _ in range(15)]
        found = from_history([Past(cost, 4, 100) for cost in costs[:5]], 4, 100)
        assert found is not None
        held.append(sum(found.low <= cost <= found.high for cost in costs[5:]))
    assert sum(count >= 8 for count in held) >= 85
    assert sum(held) >= 930


def test_without_history_it_is_told_by_size_within_a_wide_band() -> None:
    small, large = by_size(D(1), None, 0), by_size(D(1), None, 72_000_000_000)
    assert (small.basis, small.runs_seen, small.median) == ("default", 0, D("0.00027778"))
    assert (large.low, large.median, large.high) == (D("0.2"), 2, 20)


def test_a_job_that_runs_tells_by_its_own_chunks() -> None:
    job = a_job(tally=Tally(open=75, total=100, done=25), payment_amount=D(5))
    found = by_own_chunks(job)
    assert found is not None
    assert (found.low, found.median, found.high, found.basis) == (17, 20, D("23.75"), "canary")
    assert by_own_chunks(replace(job, payment_amount=D(0))) is None
    assert by_own_chunks(replace(job, tally=Tally(open=100, total=100))) is None


def test_a_part_of_the_work_costs_its_share() -> None:
    whole = by_size(D(1), None, 72_000_000_000)
    assert share(whole, 1, 4).median == D("0.5")
    assert share(whole, 4, 4) == share(whole, 1, 0) == whole


@settings(deadline=None)
@given(
    st.lists(
        st.builds(Past, st.decimals(0, LARGEST, places=8), st.integers(0, 10**5), st.integers(0, 10**15)), max_size=25
    ),
    st.none() | st.integers(0, 10**5),
    st.none() | st.integers(0, 10**18),
)
def test_whatever_was_seen_there_is_an_estimate_that_can_be_put_aside(
    past: list[Past], chunks: int | None, size: int | None
) -> None:
    for found in (from_history(past, chunks, size), by_size(LARGEST, chunks, size)):
        if found is not None:
            assert SMALLEST <= found.low <= found.median <= found.high <= LARGEST
