"""What an account may run: its balance, its quota of jobs, and what test jobs are held to.

A server that does not charge asks nobody's balance. Quotas hold either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fanfold.jobs.estimates import Estimate, share
from fanfold.jobs.models import Job
from fanfold.jobs.money import ZERO, hold, whole
from fanfold.ports.access import AccessStore
from fanfold.ports.wallet import WalletStore
from fanfold.services.access import FIRST_ACCOUNT
from fanfold.services.estimates import Estimator
from fanfold.services.terms import Terms, Treasury

QUEUED_JOBS = "queuedJobs"
UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of money."""

    grace: timedelta = timedelta(hours=72)
    test_max_chunks: int = 100
    test_max_s: float = 600.0
    chip_usd: Decimal = ZERO


class AccountTreasury:
    """The balances and quotas of accounts as they are now."""

    def __init__(self, wallet: WalletStore, access: AccessStore, estimator: Estimator, rules: Rules) -> None:
        self._wallet = wallet
        self._access = access
        self._estimator = estimator
        self._rules = rules

    def terms(self, job: Job) -> Terms:
        """See `Treasury`."""
        quotas = self._access.account(job.account_id).quotas
        most = int(quotas[QUEUED_JOBS]) if QUEUED_JOBS in quotas else None
        charges = self._wallet.charges_since() is not None
        if job.config.is_test_job:
            return self._tried(job, most) if charges else Terms(job.config, most_jobs=most)
        estimate = self._estimate(job, look=charges)
        if not charges:
            return Terms(job.config, estimate=whole(estimate.median), most_jobs=most)
        grace = None if is_unlimited(job.account_id, quotas) else self._rules.grace
        aside = hold(job.account_id, job.id, job.round, estimate.median, grace)
        return Terms(job.config, estimate=whole(estimate.median), bookings=(aside,), most_jobs=most)

    def _estimate(self, job: Job, *, look: bool) -> Estimate:
        """What the round costs; of a further one only what is not done yet is run."""
        found = self._estimator.estimate(job, look=look)
        tally = job.tally
        return share(found, tally.total - tally.done, tally.total) if job.round > 1 else found

    def _tried(self, job: Job, most_jobs: int | None) -> Terms:
        """A test job costs nothing, and is small for that."""
        rules, config, warnings = self._rules, job.config, []
        if config.max_chunks > rules.test_max_chunks:
            config = replace(config, max_chunks=rules.test_max_chunks)
            warnings.append(f"a test job has at most {rules.test_max_chunks:,} chunks")
        if config.job_timeout_s > rules.test_max_s:
            config = replace(config, job_timeout_s=rules.test_max_s)
            warnings.append(f"a test job runs for at most {rules.test_max_s:g} s")
        return Terms(config, tuple(warnings), "0", most_jobs=most_jobs)


def is_unlimited(account_id: str, quotas: Mapping[str, Any]) -> bool:
    """Whether an account's balance is not asked: the first one's, unless its quotas say otherwise."""
    return bool(quotas.get(UNLIMITED, account_id == FIRST_ACCOUNT))


_fits: type[Treasury] = AccountTreasury
