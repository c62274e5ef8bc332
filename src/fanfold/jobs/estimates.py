"""What a job will cost, learned from what jobs of the same app have cost. Pure arithmetic.

Costs are compared as ratios: to the bytes of the input, to the number of chunks, or job to job, whichever varied least
and is known of the job in question. Ratios of run times vary by factors rather than by amounts, so mean and spread are
taken of their logarithms, and the band is the one in which a further run lies in 19 of 20 cases, if they go on varying
as they did (a prediction interval by Student's t).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from fanfold.jobs.models import Job
from fanfold.jobs.money import LARGEST, SMALLEST, ZERO

MOST_RUNS = 20
LEAST_SPREAD = Decimal("0.1")
"""However alike a few runs were: the next one may be a tenth off."""

MOST_OFF = Decimal(1000)
"""Runs that have nothing in common, as before and after a price was changed, tell no more than this."""

ONE_RUN = Decimal(4)
"""The band after one run goes from a quarter to four times of it."""

_T = ("12.71", "4.30", "3.18", "2.78", "2.57", "2.45", "2.36", "2.31", "2.26", "2.23", "2.20", "2.18", "2.16", "2.14")
_T_OF_MORE = Decimal("2.13")

BYTES_PER_S = Decimal(10_000_000)
SECONDS_A_CHUNK = Decimal(1)
GUESS = Decimal(10)
"""Where nothing is known, a guess may be ten times off either way."""

CANARY = Decimal("1.25")


@dataclass(frozen=True, slots=True)
class Past:
    """One job that ended well."""

    cost: Decimal
    chunks: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Chips; `basis` says from what: "history", "canary" (the job's own first chunks) or "default"."""

    low: Decimal
    median: Decimal
    high: Decimal
    runs_seen: int
    basis: str


def from_history(past: Sequence[Past], chunks: int | None, size_bytes: int | None) -> Estimate | None:
    """By the latest of the jobs, newest first, that cost anything; None where there is none."""
    runs = [run for run in past if run.cost > 0][:MOST_RUNS]
    if not runs:
        return None
    ways = [(Decimal(1), [run.cost for run in runs])]
    if chunks and all(run.chunks for run in runs):
        ways.append((Decimal(chunks), [run.cost / run.chunks for run in runs]))
    if size_bytes and all(run.size_bytes for run in runs):
        ways.append((Decimal(size_bytes), [run.cost / run.size_bytes for run in runs]))
    size, ratios = min(reversed(ways), key=lambda way: _spread(way[1]))
    wide = _reach(_spread(ratios), len(runs)).exp()
    middle = _mean(ratios).exp() * size
    return Estimate(_exact(middle / wide), _exact(middle), _exact(middle * wide), len(runs), "history")


def by_size(hourly: Decimal, chunks: int | None, size_bytes: int | None) -> Estimate:
    """Where no such job has ended yet: as if its programs read so many bytes a second, at their price an hour."""
    seconds = max(Decimal(size_bytes or 0) / BYTES_PER_S, SECONDS_A_CHUNK * (chunks or 1))
    middle = seconds * hourly / 3600
    return Estimate(_exact(middle / GUESS), _exact(middle), _exact(middle * GUESS), 0, "default")


def by_own_chunks(job: Job) -> Estimate | None:
    """What a job that feeds tasks will come to, by those that have ended; None where none has that cost anything."""
    ended, total = job.tally.done + job.tally.failed, job.tally.total
    if not ended or not total or not job.payment_amount:
        return None
    rest = job.payment_amount * (total - ended) / ended
    low, high = job.payment_amount + rest / CANARY, job.payment_amount + rest * CANARY
    return Estimate(_exact(low), _exact(job.payment_amount + rest), _exact(high), 0, "canary")


def share(estimate: Estimate, part: int, whole: int) -> Estimate:
    """What a part of the work costs, where a job is tried again."""
    if not whole or part >= whole:
        return estimate
    low, median, high = (_exact(one * part / whole) for one in (estimate.low, estimate.median, estimate.high))
    return Estimate(low, median, high, estimate.runs_seen, estimate.basis)


@lru_cache(maxsize=10_000)
def _ln(ratio: Decimal) -> Decimal:
    """A logarithm takes 30 microseconds, and all but one of those of an estimate were taken for the one before."""
    return ratio.ln()


def _mean(ratios: Sequence[Decimal]) -> Decimal:
    return sum(map(_ln, ratios), ZERO) / len(ratios)


def _spread(ratios: Sequence[Decimal]) -> Decimal:
    """The standard deviation of the logarithms."""
    mean, count = _mean(ratios), len(ratios)
    if count == 1:
        return ZERO
    return (sum(((_ln(ratio) - mean) ** 2 for ratio in ratios), ZERO) / (count - 1)).sqrt()


def _reach(spread: Decimal, count: int) -> Decimal:
    """How far from the mean, in logarithms, a further run may lie."""
    if count == 1:
        return ONE_RUN.ln()
    t = Decimal(_T[count - 2]) if count - 2 < len(_T) else _T_OF_MORE
    return min(MOST_OFF.ln(), t * max(spread, LEAST_SPREAD) * (1 + Decimal(1) / count).sqrt())


def _exact(amount: Decimal) -> Decimal:
    return max(SMALLEST, min(LARGEST, amount).quantize(SMALLEST))
