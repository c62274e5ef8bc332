"""Money in a store: what attempts cost, holds, charges, coupons, refunds, and the proof of it all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from fanfold.errors import BalanceTooLow, Conflict, NotAllowedNow, NotFound, QuotaExceeded
from fanfold.jobs.lifecycle import (
    Aborted,
    ChunksPublished,
    EngineFound,
    Failed,
    RetryAccepted,
    RunAccepted,
    SourceStaged,
    step,
)
from fanfold.jobs.models import Job, JobBlocks, JobConfig, JobState, Role, Task, TaskState, Usage
from fanfold.jobs.money import ISSUED, USAGE, Booking, Kind, Price, hold
from fanfold.jobs.task_lifecycle import GivenBack, RunnerLost
from fanfold.ports.store import Finished
from fanfold.ports.wallet import Coupon, EntryFilter
from fanfold.stores.sql import SqlStore
from fanfold.stores.wallet import SqlWallet
from fanfold.stores.wallet_tables import ledger, wallets
from tests.conformance.scenes import advanced, brought_to, claimed, drafted, end, failure, success
from tests.values import BLOCKS, NOON, a_job, a_task, after

GRACE = timedelta(hours=72)
HOUR_US = 3_600_000_000
JOB = "job"


@pytest.fixture
def wallet(store: SqlStore) -> SqlWallet:
    """The wallet of the store, which charges."""
    made = SqlWallet(store.database, store.books)
    made.enable(lambda: NOON)
    yield made
    assert made.audit().faults == ()
    assert made.audit().sum == 0


def credited(wallet: SqlWallet, amount: str, account: str = "ann", key: str = "top_up/1") -> None:
    assert wallet.book(Booking(key, account, ISSUED, account, Decimal(amount), Kind.TOP_UP), NOON)


def ran(task: Task, hours: float = 1.0, kind: Callable[[Task], object] = success, *, region: str = "") -> Finished:
    """A task that ended after so many hours of its program."""
    outcome = kind(task)
    usage = replace(outcome.usage, run_us=round(hours * HOUR_US))
    return end(task, replace(outcome, usage=usage, region=region))


def run_with(
    store: SqlStore, amount: str, job_id: str = JOB, *, grace: timedelta | None = GRACE, **more: object
) -> Job:
    """Put an amount aside and start."""
    job = store.job(job_id)
    booking = hold(job.account_id, job_id, job.round, Decimal(amount), grace)
    accepted = step(job, RunAccepted(BLOCKS, job.config, "ann"), more.pop("at", NOON))
    return store.advance(replace(accepted, bookings=(booking,), **more))


def feeding(store: SqlStore, amount: str = "0", chunks: int = 3, job_id: str = JOB, **fields: object) -> list[Task]:
    """A job in PARTITIONED that put an amount aside; its claimed tasks."""
    drafted(store, job_id, **fields)
    run_with(store, amount, job_id, grace=None)
    return feeding_on(store, chunks, job_id)


def feeding_on(store: SqlStore, chunks: int = 3, job_id: str = JOB) -> list[Task]:
    advanced(store, job_id, EngineFound())
    advanced(store, job_id, SourceStaged(1, 10))
    advanced(store, job_id, ChunksPublished(chunks), tasks=[a_task(index, job_id) for index in range(chunks)])
    return claimed(store, chunks, job_id)


def started(store: SqlStore, task: Task, at: datetime, region: str = "") -> None:
    store.tell([(task.attempt_key, TaskState.RUNNING, at, "local-1", region)])


def kinds(wallet: SqlWallet, **fields: object) -> list[tuple[str, Decimal]]:
    return [(line.booking.kind.value, line.booking.amount) for line in wallet.each_entry(EntryFilter(**fields))]


def test_without_a_wallet_attempts_are_metered_and_nothing_is_booked(store: SqlStore) -> None:
    first, second, _ = feeding(store)
    store.finish([ran(first, 1), ran(second, 0.5, failure)])
    assert store.job(JOB).payment_amount == Decimal("1.5")
    assert store.task(first.key).price == 1
    assert [record.price for record in store.attempts(second.key)] == [Decimal("0.5")]
    wallet = SqlWallet(store.database, store.books)
    assert wallet.charges_since() is None
    assert wallet.entries(EntryFilter()) == ([], 0)
    assert wallet.audit().faults == ()


def test_without_a_wallet_the_end_of_a_task_takes_no_statement_more(store: SqlStore) -> None:
    first, second, third = feeding(store)
    store.finish([end(first, success(first))])
    free, paid = (statements(store, change) for change in (end(second, success(second)), ran(third)))
    assert paid == free


def statements(store: SqlStore, change: Finished) -> list[str]:
    """What is asked of the database to write one end."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    engine = store.database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        store.finish([change])
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return asked


def test_the_end_of_many_tasks_is_booked_by_a_handful_of_statements(store: SqlStore, wallet: SqlWallet) -> None:
    tasks = feeding(store, "50", 100)
    asked: list[str] = []
    engine = store.database._engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    store.finish([ran(task) for task in tasks])
    sa.event.remove(engine, "before_cursor_execute", note)
    assert sum("ledger" in statement or "wallets" in statement for statement in asked) <= 12
    assert wallet.balance("ann").total == -100


def test_what_was_put_aside_is_not_available_until_it_is_charged(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "10")
    first, second, third = feeding(store, "2")
    assert (wallet.balance("ann").total, wallet.balance("ann").available) == (10, 8)
    store.finish([ran(first)])
    assert (wallet.balance("ann").total, wallet.balance("ann").available) == (9, 8)
    store.finish([ran(second, 1.5)])
    assert (wallet.balance("ann").total, wallet.balance("ann").available) == (Decimal("7.5"), Decimal("7.5"))
    store.finish([ran(third)])
    assert wallet.balance("ann").available == Decimal("6.5")


def test_what_is_left_of_a_hold_is_given_back_at_the_end(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "10")
    first, *_ = feeding(store, "5")
    store.finish([ran(first)])
    advanced(store, JOB, Failed("tasks_failed", "no"))
    assert (wallet.balance("ann").total, wallet.balance("ann").available) == (9, 9)
    assert kinds(wallet, job_id=JOB) == [("hold", 5), ("release", 1), ("charge", 1), ("release", 4)]


def test_a_run_that_the_balance_does_not_cover_changes_nothing(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "1.99999999")
    drafted(store)
    with pytest.raises(BalanceTooLow, match=r"1\.99999999 chips are available and it is estimated at 2\.00000000"):
        run_with(store, "2")
    assert store.job(JOB).state is JobState.NEW
    assert wallet.balance("ann").available == Decimal("1.99999999")


def test_of_50_parallel_runs_with_money_for_3_three_start(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "3.5")
    for number in range(50):
        drafted(store, f"job-{number}")

    def accepted(number: int) -> bool:
        try:
            return bool(run_with(store, "1", f"job-{number}"))
        except BalanceTooLow:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(accepted, range(50))) == 3
    assert wallet.balance("ann").available == Decimal("0.5")


def test_a_balance_that_a_charge_took_below_zero_runs_on_in_its_grace(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "1")
    first, *_ = feeding(store, "1")
    store.finish([ran(first, 2)])
    assert wallet.balance("ann").below_since == after(5)
    drafted(store, "next")
    run_with(store, "1", "next", at=after(5) + GRACE - timedelta(seconds=1))
    drafted(store, "late")
    with pytest.raises(BalanceTooLow, match="grace"):
        run_with(store, "1", "late", at=after(5) + GRACE)
    credited(wallet, "1", key="top_up/2")
    assert wallet.balance("ann").below_since is None


def test_programs_that_an_abort_ends_are_charged_up_to_it_and_never_again(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "10")
    first, second, third = feeding(store, "3")
    store.finish([ran(first)])
    started(store, second, NOON)
    advanced(store, JOB, Aborted("ann"), at=NOON + timedelta(minutes=30))
    assert store.finish([ran(second), ran(third)]) == []
    assert store.job(JOB).payment_amount == Decimal("1.5")
    assert [record.price for record in store.attempts(second.key)] == [Decimal("0.5")]
    assert [record.price for record in store.attempts(third.key)] == [0]
    assert wallet.balance("ann").available == Decimal("8.5")


def test_what_the_platform_ended_is_not_charged(store: SqlStore, wallet: SqlWallet) -> None:
    first, second, third = feeding(store)
    started(store, first, NOON)
    lost = RunnerLost(second.attempt_key, after(5), Usage(run_us=HOUR_US), NOON)
    store.finish([end(second, lost), end(third, GivenBack(third.attempt_key, after(5), Usage(run_us=9), NOON))])
    advanced(store, JOB, Failed("disk_full", "the disk is full"), at=after(3600))
    assert store.job(JOB).payment_amount == 0
    assert wallet.balance("ann").total == 0


def test_a_report_that_comes_twice_is_charged_once(store: SqlStore, wallet: SqlWallet) -> None:
    first, *_ = feeding(store)
    store.finish([ran(first)])
    assert store.finish([ran(first)]) == []
    assert wallet.balance("ann").total == -1
    assert wallet.balance(USAGE).total == 1


def test_a_test_job_costs_nothing(store: SqlStore, wallet: SqlWallet) -> None:
    first, *_ = feeding(store, config=JobConfig(is_test_job=True))
    store.finish([ran(first)])
    assert store.job(JOB).payment_amount == 0
    assert wallet.balance("ann").total == 0


def test_a_further_round_puts_its_own_estimate_aside_and_adds_to_the_cost(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "10")
    first, *_ = feeding(store, "3")
    store.finish([ran(first)])
    advanced(store, JOB, Failed("tasks_failed", "no"))
    job = store.job(JOB)
    again = step(job, RetryAccepted("ann", BLOCKS), NOON)
    store.advance(replace(again, bookings=(hold("ann", JOB, again.after.round, Decimal(2), GRACE),)))
    assert wallet.balance("ann").available == 7
    assert store.job(JOB).payment_amount == 1


def test_what_a_hold_and_its_rest_are_survives_another_server(store: SqlStore, wallet: SqlWallet) -> None:
    first, second, _ = feeding(store, "3")
    store.finish([ran(first)])
    store.books = type(store.books)()  # what another process knows
    store.finish([ran(second)])
    assert wallet.balance("ann").total == -2
    assert store.job(JOB).payment_amount == 2


def test_prices_change_what_later_attempts_cost(store: SqlStore, wallet: SqlWallet) -> None:
    first, second, third = feeding(store)
    store.finish([ran(first)])
    wallet.add_price(Price("p", Decimal("2.5"), NOON))
    store.finish([ran(second)])
    wallet.end_price("p", NOON)
    store.finish([ran(third)])
    assert [store.task(task.key).price for task in (first, second, third)] == [1, Decimal("2.5"), 1]
    with pytest.raises(NotFound):
        wallet.end_price("q", NOON)


def test_an_attempt_costs_what_its_own_region_asks(store: SqlStore, wallet: SqlWallet) -> None:
    first, second, cut = feeding(store)
    for region, rate in (("north", 3), ("south", 7)):
        wallet.add_price(Price(region, Decimal(rate), NOON, region=region))
    store.finish([ran(first, region="north"), ran(second, 1, failure, region="north")])
    started(store, cut, NOON, "south")
    (again,) = claimed(store, 1, at=NOON + timedelta(hours=9))
    store.finish([ran(again, region="south")])
    advanced(store, JOB, Aborted("ann"), NOON + timedelta(hours=10))
    assert store.task(first.key).price == 3
    assert [record.price for record in store.attempts(second.key)] == [3, 7]
    assert [record.price for record in store.attempts(cut.key)] == [70]
    assert wallet.audit().faults == ()


def test_an_account_has_no_more_unfinished_jobs_than_its_quota(store: SqlStore) -> None:
    drafted(store, "one")
    drafted(store, "two")
    run_with(store, "0", "one", grace=None, most_jobs=1)
    with pytest.raises(QuotaExceeded, match="1 unfinished jobs and may have 1"):
        run_with(store, "0", "two", grace=None, most_jobs=1)
    assert store.job("two").state is JobState.NEW


def test_a_refund_gives_back_what_was_charged_and_no_more(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "10")
    first, *_ = feeding(store)
    store.finish([ran(first)])
    part = Booking("refund/1", "ann", USAGE, "ann", Decimal("0.25"), Kind.REFUND, JOB)
    wallet.refund(part, NOON)
    with pytest.raises(NotAllowedNow, match=r"0\.75000000"):
        wallet.refund(replace(part, key="refund/2", amount=Decimal("0.8")), NOON)
    assert wallet.refund(replace(part, key="refund/3", amount=Decimal(0)), NOON).amount == Decimal("0.75")
    assert wallet.balance("ann").total == 10
    with pytest.raises(NotAllowedNow):
        wallet.refund(replace(part, key="refund/4", account_id="bob", target="bob"), NOON)


def test_a_coupon_is_worth_its_amount_once_to_each_account(store: SqlStore, wallet: SqlWallet) -> None:
    wallet.add_coupon(Coupon("SPRING", Decimal(5), 2, NOON, expires_at=after(10)))
    with pytest.raises(Conflict):
        wallet.add_coupon(Coupon("SPRING", Decimal(6), 2, NOON))
    wallet.redeem("ann", "SPRING", NOON)
    with pytest.raises(NotAllowedNow, match="already"):
        wallet.redeem("ann", "SPRING", NOON)
    wallet.redeem("bob", "SPRING", NOON)
    with pytest.raises(NotAllowedNow, match="used up"):
        wallet.redeem("cid", "SPRING", NOON)
    with pytest.raises(NotAllowedNow, match="expired"):
        wallet.redeem("cid", "SPRING", after(10))
    with pytest.raises(NotAllowedNow, match="no such"):
        wallet.redeem("cid", "spring", NOON)
    assert [wallet.balance(name).total for name in ("ann", "bob", "cid")] == [5, 5, 0]


def test_a_coupon_that_is_redeemed_by_many_at_once_is_worth_no_more(store: SqlStore, wallet: SqlWallet) -> None:
    wallet.add_coupon(Coupon("ONE", Decimal(5), 1, NOON))

    def redeemed(account: str) -> bool:
        try:
            return bool(wallet.redeem(account, "ONE", NOON))
        except NotAllowedNow:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(redeemed, ["ann", "bob"] * 8)) == 1


def test_a_booking_with_a_known_key_is_written_once(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "5")
    assert not wallet.book(Booking("top_up/1", "ann", ISSUED, "ann", Decimal(5), Kind.TOP_UP), NOON)
    assert wallet.balance("ann").total == 5


def test_a_balance_that_could_not_be_counted_is_refused(store: SqlStore, wallet: SqlWallet) -> None:
    for number in range(90):
        credited(wallet, "1000000000", key=f"top_up/{number}")
    with pytest.raises(BalanceTooLow, match="counted"):
        credited(wallet, "1", key="one more")


def test_usage_is_told_by_account_template_and_label(store: SqlStore) -> None:
    first, *_ = feeding(store, template_id="t")
    (other,) = feeding(store, chunks=1, job_id="other", account_id="bob")
    store.finish([ran(first, 2), ran(other)])
    wallet = SqlWallet(store.database, store.books)
    lines = wallet.usage(NOON, after(60), ["account", "template"], None, 10)
    assert [(line.account_id, line.template_id, line.attempts, line.cost) for line in lines] == [
        ("ann", "t", 1, 2),
        ("bob", "", 1, 1),
    ]
    (mine,) = wallet.usage(NOON, after(60), ["label"], "bob", 10)
    assert (mine.label, mine.run_us) == ("", HOUR_US)
    assert wallet.usage(after(60), after(90), ["account"], None, 10) == []


def test_usage_of_one_block_leaves_out_what_is_called_alike(store: SqlStore) -> None:
    first, second, third = feeding(store)
    named = ((first, "a_b@0.1#1"), (second, "a_b@0.1#2"), (third, "axb@0.1#1"))
    store.finish([ran(replace(task, block=block), 2) for task, block in named])
    wallet = SqlWallet(store.database, store.books)
    (line,) = wallet.usage(NOON, after(60), ["account"], "ann", 10, program=(Role.APP, "a_b@0.1"))
    assert (line.attempts, line.cost) == (2, 4)
    for other in ((Role.APP, "a_b@0.10"), (Role.APP, "b@0.1"), (Role.ASSEMBLER, "a_b@0.1")):
        assert wallet.usage(NOON, after(60), ["account"], "ann", 10, program=other) == []


def test_transactions_are_told_in_pages(store: SqlStore, wallet: SqlWallet) -> None:
    for number in range(5):
        credited(wallet, "1", key=f"top_up/{number}")
    credited(wallet, "1", "bob", "b")
    page, total = wallet.entries(EntryFilter("ann", limit=2, offset=1))
    assert (total, [line.balance for line in page]) == (5, [4, 3])
    assert wallet.entries(EntryFilter("ann", kinds=(Kind.HOLD,)))[1] == 0
    assert wallet.entries(EntryFilter(since=NOON, until=NOON))[1] == 0


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (sa.update(ledger).where(ledger.c.seq == 2).values(amount=Decimal(99)), "seal"),
        (sa.update(ledger).where(ledger.c.seq == 1).values(notes="nothing"), "seal"),
        (sa.delete(ledger).where(ledger.c.seq == 2), "after line 1 of the ledger comes 3"),
        (sa.delete(ledger).where(ledger.c.seq == 3), "by the ledger"),
        (sa.update(wallets).where(wallets.c.account == "ann").values(balance=Decimal(1000)), "'ann' has 1000"),
        (sa.update(wallets).where(wallets.c.account == "ann").values(held=Decimal(1)), "are held"),
    ],
)
def test_the_audit_finds_what_was_changed(bare_store: SqlStore, broken: sa.Update | sa.Delete, said: str) -> None:
    wallet = SqlWallet(bare_store.database, bare_store.books)
    wallet.enable(lambda: NOON)
    for number in range(3):
        credited(wallet, "1", key=f"top_up/{number}")
    assert wallet.audit().faults == ()
    with bare_store.database.writing("break") as connection:
        connection.execute(broken)
    assert any(said in fault for fault in wallet.audit().faults)


def test_the_audit_compares_charges_with_attempts(bare_store: SqlStore) -> None:
    wallet = SqlWallet(bare_store.database, bare_store.books)
    wallet.enable(lambda: NOON)
    first, *_ = feeding(bare_store)
    bare_store.finish([ran(first)])
    with bare_store.database.writing("break") as connection:
        connection.exec_driver_sql("UPDATE attempts SET price = price + 1")
    assert any("its attempts cost 1.00000001" in fault for fault in wallet.audit().faults)


def test_a_job_that_ran_before_the_wallet_is_charged_for_what_comes_later(store: SqlStore) -> None:
    first, second, _ = feeding(store)
    store.finish([ran(first, 1, lambda task: success(task, after(3)))])
    wallet = SqlWallet(store.database, store.books)
    assert wallet.enable(lambda: after(4)) == wallet.enable(lambda: after(9)) == after(4)
    store.finish([ran(second)])
    assert wallet.balance("ann").total == -1
    assert store.job(JOB).payment_amount == 2
    advanced(store, JOB, Aborted("ann"))
    assert wallet.audit().faults == ()


def test_a_complete_job_is_settled(store: SqlStore, wallet: SqlWallet) -> None:
    credited(wallet, "5")
    job = brought_to(store, JobState.COMPLETE)
    assert job.payment_amount == 0
    assert a_job().payment_amount == 0
    assert wallet.balance("ann").available == 5


def costly(blocks: JobBlocks, cores: int) -> JobBlocks:
    """The same blocks with an app that asks for so many cores and so much memory in GiB."""
    device = {"min_cpu": cores, "min_memory": cores}
    manifest = {**blocks.app.manifest, "device_requirements": device}
    return replace(blocks, app=replace(blocks.app, sha256=f"{cores}" * 64, manifest=manifest))


def test_a_round_that_another_server_accepted_costs_what_its_new_app_asks_for(store: SqlStore) -> None:
    first, *_ = feeding(store)
    store.finish([ran(first, 1)])
    advanced(store, JOB, Failed("tasks_failed", "no"))
    other = SqlStore(store.database)
    other.advance(step(store.job(JOB), RetryAccepted("ann", costly(BLOCKS, 4)), NOON))
    advanced(store, JOB, EngineFound())
    advanced(store, JOB, SourceStaged(0, 0))
    advanced(store, JOB, ChunksPublished(3, reopened=True))
    again, cut = claimed(store, 2)
    store.finish([ran(again, 1)])
    assert store.attempts(again.key)[-1].price == 4
    started(store, cut, NOON)
    late = SqlStore(store.database)
    late.books.note(replace(store.job(JOB), blocks=BLOCKS))
    late.advance(step(late.job(JOB), Aborted("ann"), NOON + timedelta(hours=1)))
    assert store.attempts(cut.key)[-1].price == 4
