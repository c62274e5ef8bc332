"""What an attempt costs, who may put how much aside, and what a cap lets through."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.errors import BadInput
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import AttemptKey, JobState, Role, TaskKey
from fanfold.jobs.money import (
    LARGEST,
    PROBES,
    STANDARD,
    Kind,
    Meter,
    Price,
    Resource,
    Tariff,
    affordable,
    below_since,
    chips,
    in_currency,
    is_charged,
    parsed,
    too_low,
    whole,
)
from fanfold.jobs.task_lifecycle import GivenBack, ProgramFailed, Reason, RunnerLost, Succeeded
from tests.values import NOON, after

HOUR_US = 3_600_000_000
GRACE = timedelta(hours=72)
ATTEMPT = AttemptKey(TaskKey("job", Role.APP, 0), 1)


def line(rate: str, price_id: str = "p", **fields: object) -> Price:
    return Price(price_id, Decimal(rate), fields.pop("valid_from", NOON), **fields)


def test_an_hour_on_one_core_with_one_gib_is_one_chip() -> None:
    assert STANDARD.price(Device(1, GIB), "", NOON, HOUR_US) == 1


def test_half_of_the_price_is_for_cores_and_half_for_memory() -> None:
    assert STANDARD.price(Device(3, GIB), "", NOON, HOUR_US) == 2
    assert STANDARD.price(Device(1, 4 * GIB), "", NOON, HOUR_US) == Decimal("2.5")


def test_an_amount_between_two_that_can_be_booked_goes_to_the_even_one() -> None:
    assert STANDARD.price(Device(1, GIB), "", NOON, 18) == 0  # 0.000000005 chips
    assert STANDARD.price(Device(1, GIB), "", NOON, 54) == Decimal("0.00000002")


@settings(deadline=None)
@given(
    st.floats(0.001, 4096, allow_nan=False),
    st.integers(1, 65536 * GIB),
    st.integers(0, 10**13),
    st.decimals(0, 1_000_000, places=8),
)
def test_a_price_is_the_exact_one_rounded_once(cores: float, memory: int, used_us: int, rate: Decimal) -> None:
    tariff = Tariff((line(str(rate)),))
    exact = Fraction(used_us, HOUR_US) * (Fraction(str(cores)) + Fraction(memory, GIB)) / 2 * Fraction(rate)
    charged = Fraction(tariff.price(Device(cores, memory), "", NOON, used_us))
    assert abs(charged - min(exact, Fraction(LARGEST))) <= Fraction(1, 2 * 10**8)


def test_time_that_ran_backwards_costs_nothing() -> None:
    assert STANDARD.price(Device(), "", NOON, -5) == 0


def test_the_line_that_names_most_tells_the_rate() -> None:
    tariff = Tariff(
        (
            line("2"),
            line("3", region="north"),
            line("5", gpu="A"),
            line("7", gpu="A", region="north"),
            line("11", resource=Resource.MEMORY, gpu="A", region="north"),
        )
    )
    asked = [("", ""), ("north", ""), ("", "A"), ("north", "A"), ("south", "A"), ("south", "B")]
    assert [tariff.rate(Resource.CPU, region, gpu, NOON) for region, gpu in asked] == [2, 3, 5, 7, 5, 2]
    assert tariff.rate(Resource.MEMORY, "north", "A", NOON) == 11


def test_a_price_holds_from_its_first_moment_until_before_its_last() -> None:
    tariff = Tariff((line("2", valid_until=after(10)), line("3", "q", valid_from=after(10))))
    times = (-1, 0, 9.999999, 10)
    assert [tariff.rate(Resource.CPU, "", "", after(at)) for at in times] == [1, 2, 2, 3]


def test_of_two_prices_for_the_same_the_later_holds() -> None:
    tariff = Tariff((line("2"), line("3", "q", valid_from=after(5))))
    assert tariff.rate(Resource.CPU, "", "", after(4)) == 2
    assert tariff.rate(Resource.CPU, "", "", after(6)) == 3


def test_a_block_that_takes_one_of_several_gpus_pays_for_the_first() -> None:
    tariff = Tariff((line("4", gpu="A"), line("9", gpu="B")))
    assert tariff.price(Device(1, GIB, ("A", "B")), "", NOON, HOUR_US) == 4


def test_programs_are_charged_and_what_the_platform_lost_is_not() -> None:
    charged = (Succeeded(ATTEMPT, NOON), ProgramFailed(ATTEMPT, NOON), timed_out(Reason.TIMED_OUT))
    free = (RunnerLost(ATTEMPT, NOON), GivenBack(ATTEMPT, NOON), timed_out(Reason.DISK_FULL))
    assert all(map(is_charged, charged))
    assert not any(map(is_charged, free))


def timed_out(reason: Reason) -> ProgramFailed:
    return ProgramFailed(ATTEMPT, NOON, reason=reason)


def test_a_test_job_and_a_program_that_never_began_cost_nothing() -> None:
    devices = {"app": Device(1, GIB)}
    assert Meter("ann", devices).price(STANDARD, Role.APP, "", NOON, HOUR_US) == 1
    assert Meter("ann", devices, is_free=True).price(STANDARD, Role.APP, "", NOON, HOUR_US) == 0
    assert Meter("ann", devices).price(STANDARD, Role.APP, "", None, HOUR_US) == 0
    assert Meter("ann").price(STANDARD, Role.APP, "", NOON, HOUR_US) == 0


def test_the_clock_below_zero_is_started_by_a_charge_and_stopped_at_zero() -> None:
    assert below_since(Decimal(-1), None, NOON, Kind.CHARGE) == NOON
    assert below_since(Decimal(-2), NOON, after(9), Kind.CHARGE) == NOON
    assert below_since(Decimal(-1), None, NOON, Kind.HOLD) is None
    assert below_since(Decimal(0), NOON, after(9), Kind.TOP_UP) is None


def test_a_balance_that_does_not_cover_it_is_refused_with_the_numbers() -> None:
    said = too_low(Decimal("1.5"), Decimal(2), None, NOON, GRACE)
    assert "1.50000000" in said
    assert "2.00000000" in said
    assert too_low(Decimal(2), Decimal(2), None, NOON, GRACE) == ""


def test_grace_lets_a_balance_below_zero_run_for_its_hours_only() -> None:
    young = NOON + GRACE - timedelta(microseconds=1)
    assert too_low(Decimal(-1), Decimal(2), NOON, young, GRACE) == ""
    assert "72 hours of grace" in too_low(Decimal(-1), Decimal(2), NOON, NOON + GRACE, GRACE)


def test_a_cap_counts_what_runs_at_the_average_so_far() -> None:
    state = JobState.PARTITIONED
    assert affordable(Decimal(10), Decimal(0), state, (Decimal(0), 0), 0) == PROBES
    assert affordable(Decimal(10), Decimal(4), state, (Decimal(4), 4), 2) == 4
    assert affordable(Decimal(10), Decimal("9.5"), state, (Decimal("9.5"), 9), 0) == 0
    assert affordable(Decimal(10), Decimal(10), state, (Decimal(1), 1), 0) == 0


@settings(deadline=None)
@given(st.decimals("0.00000001", 100, places=8), st.integers(1, 50), st.decimals("0.5", 10, places=4))
def test_tasks_of_one_price_never_pass_a_cap_once_it_is_known(cap: Decimal, slots: int, price: Decimal) -> None:
    paid, count = price, 1  # one probe has ended
    while paid < cap and (more := affordable(cap, paid, JobState.PARTITIONED, (paid, count), 0)):
        started = min(more, slots)
        paid, count = paid + started * price, count + started
        assert paid <= cap


def test_an_engine_is_run_where_anything_is_left_under_the_cap() -> None:
    assert affordable(Decimal(10), Decimal(9), JobState.MERGING, (Decimal(9), 9), 0) == 1
    assert affordable(Decimal(10), Decimal(10), JobState.MERGING, (Decimal(9), 9), 0) == 0


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "NaN",
        "inf",
        "-1",
        "0",
        "1e400",
        "0.000000001",
        "1000000000.1",
        1.5,
        True,
        None,
        [1],
        "9" * 41,
        "1_0",
        "１０",
        "1 0",
    ],
)
def test_an_amount_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(BadInput, match="amount"):
        parsed(given, "amount")


@pytest.mark.parametrize("given", ["1", 1, "0.00000001", "1e3", "+2", ".5", "3.", Decimal("2.5"), "1000000000", " 7 "])
def test_an_exact_amount_is_taken(given: object) -> None:
    assert parsed(given, "amount") == Decimal(str(given).strip())


def test_amounts_are_shown_whole() -> None:
    assert chips(Decimal("1e-8")) == "0.00000001"
    assert chips(Decimal(1234567)) == "1234567.00000000"
    assert whole(Decimal("12.00000001")) == "13"
    assert in_currency(Decimal("12.5"), Decimal("0.05")) == "0.62"
