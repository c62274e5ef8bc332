"""R17: whatever runs, retries, aborts, crashes, repeated reports, refunds and coupons do to each other, the sum of all
accounts is 0, nobody runs below zero beyond the grace, and every attempt is booked once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fanfold.effects import Effects
from fanfold.errors import BalanceTooLow, NotAllowedNow
from fanfold.jobs import lifecycle
from fanfold.jobs.lifecycle import step
from fanfold.jobs.models import Job, JobState, ResultManifest, Role, Task, TaskState, Usage
from fanfold.jobs.money import ISSUED, USAGE, Booking, Kind, hold
from fanfold.jobs.task_lifecycle import (
    GivenBack,
    Outcome,
    ProgramFailed,
    RunnerLost,
    Succeeded,
    after_attempt,
)
from fanfold.ports.store import Finished
from fanfold.ports.wallet import Coupon, EntryFilter
from fanfold.stores.books import Books
from fanfold.stores.schema import attempts, jobs
from fanfold.stores.sqlite import SqliteStore
from fanfold.stores.wallet import SqlWallet
from tests.values import BLOCKS, NOON, a_job, a_task

GRACE = timedelta(hours=5)
MOST_ATTEMPTS = 2
ACCOUNTS = ("ann", "bob")
ENDINGS: tuple[type[Outcome], ...] = (Succeeded, ProgramFailed, RunnerLost, GivenBack)

amounts = st.decimals("0.00000001", 20, places=8)
accounts = st.sampled_from(ACCOUNTS)
numbers = st.integers(0, 10**6)
deaths = st.sampled_from([0, 0, 1, 2])
"""Before which of its commits the process dies that does something; most things have one, and none may need two."""
run_us = st.integers(0, 4 * 3_600_000_000)


Pick = tuple[int, type[Outcome], int]
reports = st.lists(st.tuples(numbers, st.sampled_from(ENDINGS), run_us), max_size=3)


class Crash(BaseException):
    """The process died just before a commit."""


class Dying(Effects):
    """Dies at the commit that it is told: 1 for the next one; 0 for none."""

    dies_at = 0

    def about_to(self, kind: str, what: str) -> None:
        if self.dies_at and kind == "commit":
            self.dies_at -= 1
            if not self.dies_at:
                raise Crash


def exact_price(used_us: int) -> Decimal:
    """What one core with one GiB costs, by another arithmetic than the product's: half to even of a fraction."""
    units = Fraction(used_us * 10**8, 3_600_000_000)
    return Decimal(round(units)) / 10**8


class Money(RuleBasedStateMachine):
    """One store, two accounts, any number of jobs; `credit` is what a person would have written on paper."""

    def __init__(self) -> None:
        super().__init__()
        self.effects = Dying()
        self.store = SqliteStore(None, self.effects)
        self.wallet = SqlWallet(self.store.database, self.store.books)
        self.now = NOON
        self.count = 0
        self.credit: dict[str, Decimal] = defaultdict(Decimal)
        self.held: dict[str, Decimal] = defaultdict(Decimal)
        self.below: dict[str, datetime | None] = {}
        self.jobs: list[str] = []
        self.reports: list[Finished] = []
        self.coupons: list[str] = []

    @initialize(given=st.decimals(0, 40, places=8), estimate=amounts)
    def charge_from_now_on(self, given: Decimal, estimate: Decimal) -> None:
        self.wallet.enable(lambda: self.now)
        for account in ACCOUNTS if given else ():
            self.top_up(account, given, 0)
        self.run("ann", estimate, 3, 0)

    def teardown(self) -> None:
        self.store.close()

    # ---- what happens

    def attempted(self, act: Callable[[], Any], dies: int) -> Any:
        """Do it; where the process dies before a commit of it, another begins and does it again."""
        self.effects.dies_at = dies
        try:
            return act()
        except Crash:
            self.restarted()
            return act()
        finally:
            self.effects.dies_at = 0

    def restarted(self) -> None:
        self.store.books = Books()
        self.wallet = SqlWallet(self.store.database, self.store.books)

    def fresh(self) -> str:
        self.count += 1
        return f"n{self.count}"

    @rule(account=accounts, amount=amounts, dies=deaths)
    def top_up(self, account: str, amount: Decimal, dies: int) -> None:
        booking = Booking(self.fresh(), account, ISSUED, account, amount, Kind.TOP_UP)
        self.attempted(lambda: self.wallet.book(booking, self.now), dies)
        assert not self.wallet.book(booking, self.now)
        self.credited(account, amount)

    @rule(amount=amounts, uses=st.integers(1, 2), lives_h=st.integers(0, 6))
    def make_coupon(self, amount: Decimal, uses: int, lives_h: int) -> None:
        code = self.fresh()
        ends = self.now + timedelta(hours=lives_h) if lives_h else None
        self.wallet.add_coupon(Coupon(code, amount, uses, self.now, expires_at=ends))
        self.coupons.append(code)

    @precondition(lambda self: self.coupons)
    @rule(account=accounts, number=numbers, dies=deaths)
    def redeem(self, account: str, number: int, dies: int) -> None:
        code = self.coupons[number % len(self.coupons)]
        before = {coupon.code: coupon for coupon in self.wallet.coupons()}[code]
        mine = self.wallet.entries(EntryFilter(account, kinds=(Kind.COUPON,), key=f"coupon/{code}/{account}"))[1]
        expired = before.expires_at is not None and before.expires_at <= self.now
        try:
            self.attempted(lambda: self.wallet.redeem(account, code, self.now), dies)
        except NotAllowedNow:
            assert mine or expired or before.used >= before.uses
        else:
            assert not mine
            assert not expired
            assert before.used < before.uses
            self.credited(account, before.amount)

    @rule(hours=st.integers(1, 4))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(account=accounts, estimate=amounts, chunks=st.integers(1, 3), dies=deaths)
    def run(self, account: str, estimate: Decimal, chunks: int, dies: int) -> None:
        job = a_job(self.fresh(), account_id=account, created_at=self.now)
        self.store.insert_job(job, account)
        accepted = step(job, lifecycle.RunAccepted(BLOCKS, job.config, account), self.now)
        if self.begun(accepted, estimate, dies):
            self.jobs.append(job.id)
            self.moved(job.id, lifecycle.EngineFound())
            self.moved(job.id, lifecycle.SourceStaged(1, 1))
            tasks = [a_task(index, job.id, created_at=self.now, due_at=self.now) for index in range(chunks)]
            self.store.advance(step(self.store.job(job.id), lifecycle.ChunksPublished(chunks), self.now, tasks))
        else:
            assert self.store.job(job.id).state is JobState.NEW

    def begun(self, accepted: lifecycle.Step, estimate: Decimal, dies: int) -> bool:
        """Whether a round began, as it must by what is on paper."""
        account = accepted.after.account_id
        aside = hold(account, accepted.after.id, accepted.after.round, estimate, GRACE)
        available = self.credit[account] - sum(
            (self.held[job_id] for job_id in self.jobs if self.store.job(job_id).account_id == account), Decimal(0)
        )
        since = self.below.get(account)
        may = available >= estimate or (since is not None and self.now - since < GRACE)
        try:
            self.attempted(lambda: self.store.advance(replace(accepted, bookings=(aside,))), dies)
        except BalanceTooLow:
            assert not may
            return False
        assert may
        self.held[accepted.after.id] += estimate
        return True

    def moved(self, job_id: str, event: lifecycle.Event, dies: int = 0) -> Job:
        return self.attempted(lambda: self.store.advance(step(self.store.job(job_id), event, self.now)), dies)

    def active(self) -> list[Job]:
        return [job for job in map(self.store.job, self.jobs) if job.unfinished]

    def any_active(self, number: int) -> Job | None:
        found = self.active()
        return found[number % len(found)] if found else None

    @rule(number=numbers, count=st.integers(1, 3), starts=st.booleans(), picks=reports, dies=deaths)
    def work(self, number: int, count: int, starts: bool, picks: list[Pick], dies: int) -> None:
        """Some tasks are claimed, begin, and report; what does not is claimed still, and may report or be cut off."""
        job = self.any_active(number)
        if job is None:
            return
        lease = self.now + timedelta(hours=99)
        found = self.attempted(lambda: self.store.claim(job.id, count, self.now, lease), dies)
        told = [(task.attempt_key, TaskState.RUNNING, self.now, "local-1", "") for task in found]
        if starts and told:
            self.store.tell(told)
        self.report(picks, dies)

    def claimed(self) -> list[Task]:
        return self.store.claimed(100)

    def report(self, picks: list[Pick], dies: int) -> None:
        found = self.claimed()
        chosen = {found[number % len(found)].key: (kind, used) for number, kind, used in picks} if found else {}
        changes = [self.ended(task, *chosen[task.key]) for task in found if task.key in chosen]
        if changes:
            won = self.attempted(lambda: self.store.finish(changes), dies)
            assert len(won) == len(changes)
        self.reports += changes
        self.charged([(change, self.paid(change.outcome)) for change in changes])

    def ended(self, task: Task, kind: type[Outcome], used: int) -> Finished:
        more: dict[str, Any] = {"result": ResultManifest(1, 1, ())} if kind is Succeeded else {}
        outcome = kind(task.attempt_key, self.now, Usage(run_us=used), self.now, "local-1", **more)
        return Finished(task, after_attempt(task, outcome, MOST_ATTEMPTS), outcome)

    def paid(self, outcome: Outcome) -> Decimal:
        return exact_price(outcome.usage.run_us) if isinstance(outcome, Succeeded | ProgramFailed) else Decimal(0)

    def charged(self, costs: list[tuple[Finished, Decimal]]) -> None:
        for change, cost in costs:
            if cost:
                self.debited(change.before.key.job_id, cost)

    @precondition(lambda self: self.reports)
    @rule(number=numbers)
    def report_again(self, number: int) -> None:
        assert self.store.finish([self.reports[number % len(self.reports)]]) == []

    @precondition(lambda self: self.active())
    @rule(number=numbers, how=st.sampled_from(["abort", "fail", "break"]), dies=deaths)
    def end(self, number: int, how: str, dies: int) -> None:
        job = self.any_active(number)
        if job is None:
            return
        running = [task for task in self.claimed() if task.key.job_id == job.id and task.started_at is not None]
        events: dict[str, lifecycle.Event] = {
            "abort": lifecycle.Aborted("ann"),
            "fail": lifecycle.Failed("tasks_failed", "no"),
            "break": lifecycle.Failed("internal", "no"),
        }
        self.moved(job.id, events[how], dies)
        for task in running if how != "break" else ():
            assert task.started_at is not None
            self.debited(job.id, exact_price((self.now - task.started_at) // timedelta(microseconds=1)))
        self.held[job.id] = Decimal(0)

    @precondition(lambda self: self.active())
    @rule(number=numbers, dies=deaths)
    def complete(self, number: int, dies: int) -> None:
        job = self.any_active(number)
        if job is None or job.tally.open or job.tally.done != job.tally.total:
            return
        for event in (
            lifecycle.TasksEnded(job.tally.done, 0),
            lifecycle.ResultsSettled(1, 1),
            lifecycle.OutputMerged(1, 1),
            lifecycle.DeliveryBegan(),
            lifecycle.Delivered(1, 1),
        ):
            self.moved(job.id, event, dies)
        self.held[job.id] = Decimal(0)

    @rule(number=numbers, estimate=amounts, dies=deaths)
    def retry(self, number: int, estimate: Decimal, dies: int) -> None:
        failed = [job for job in map(self.store.job, self.jobs) if job.state is JobState.FAILED]
        if not failed:
            return
        job = failed[number % len(failed)]
        again = step(job, lifecycle.RetryAccepted("ann", BLOCKS), self.now)
        if self.begun(again, estimate, dies):
            self.moved(job.id, lifecycle.EngineFound())
            self.moved(job.id, lifecycle.SourceStaged(1, 1))
            self.moved(job.id, lifecycle.ChunksPublished(job.num_chunks or 1, reopened=True))

    @rule(number=numbers, amount=amounts, dies=deaths)
    def refund(self, number: int, amount: Decimal, dies: int) -> None:
        if not self.jobs:
            return
        job = self.store.job(self.jobs[number % len(self.jobs)])
        account = job.account_id
        back = sum(
            (line.booking.amount for line in self.wallet.each_entry(EntryFilter(kinds=(Kind.REFUND,), job_id=job.id))),
            Decimal(0),
        )
        booking = Booking(self.fresh(), account, USAGE, account, amount, Kind.REFUND, job.id)
        try:
            self.attempted(lambda: self.wallet.refund(booking, self.now), dies)
        except NotAllowedNow:
            assert back + amount > job.payment_amount
        else:
            assert back + amount <= job.payment_amount
            self.credited(account, amount)

    @rule()
    def crash(self) -> None:
        self.restarted()

    # ---- what is on paper

    def credited(self, account: str, amount: Decimal) -> None:
        self.credit[account] += amount
        if self.credit[account] >= 0:
            self.below[account] = None

    def debited(self, job_id: str, cost: Decimal) -> None:
        account = self.store.job(job_id).account_id
        self.credit[account] -= cost
        self.held[job_id] -= min(self.held[job_id], cost)
        if self.credit[account] < 0 and self.below.get(account) is None:
            self.below[account] = self.now

    # ---- what must be true

    @invariant()
    def the_books_are_right(self) -> None:
        audit = self.wallet.audit()
        assert audit.faults == ()
        assert audit.sum == 0
        assert self.store.violations() == []

    @invariant()
    def balances_are_what_is_on_paper(self) -> None:
        for account in ACCOUNTS:
            found = self.wallet.balance(account)
            held = sum(
                (self.held[job_id] for job_id in self.jobs if self.store.job(job_id).account_id == account), Decimal(0)
            )
            assert (found.total, found.total - found.available) == (self.credit[account], held)
            assert found.below_since == self.below.get(account)

    @invariant()
    def every_attempt_is_booked_once(self) -> None:
        with self.store.database.reading() as connection:
            rows = connection.execute(sa.select(attempts)).all()
            paid = dict(connection.execute(sa.select(jobs.c.id, jobs.c.payment_amount)).all())
        costs = {f"{row.job_id}-{row.chunk_index}.{row.fence}": row.price for row in rows if row.price}
        assert all(row.role == Role.APP.value for row in rows)
        lines = list(self.wallet.each_entry(EntryFilter(kinds=(Kind.CHARGE,))))
        assert {line.booking.entity: line.booking.amount for line in lines} == costs
        assert len(lines) == len(costs)
        for job_id in self.jobs:
            mine = [row.price for row in rows if row.job_id == job_id]
            assert sum(mine, Decimal(0)) == paid[job_id]


@pytest.mark.timeout(300)
class TestBooks(Money.TestCase):
    """Short, for every run of the tests; what it finds is as long as it was."""

    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    settings = settings(max_examples=30, stateful_step_count=30, deadline=None, phases=phases)


@pytest.mark.heavy
@pytest.mark.timeout(3600)
class TestBooksAtLength(Money.TestCase):
    """For `make faults`."""

    settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
