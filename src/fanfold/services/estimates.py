"""Estimates: what a job will cost, before it runs and while it does."""

from __future__ import annotations

from decimal import Decimal

from fanfold.errors import Refused, Unavailable
from fanfold.jobs.blocks import Device, read_manifest
from fanfold.jobs.estimates import MOST_RUNS, Estimate, by_own_chunks, by_size, from_history
from fanfold.jobs.models import Job, JobState, Role
from fanfold.jobs.money import Tariff
from fanfold.ports.clock import Clock
from fanfold.ports.wallet import WalletStore
from fanfold.services.validation import Validator

HOUR_US = 3_600_000_000


class Estimator:
    """Asks history first; where there is none, the size of the input."""

    def __init__(self, wallet: WalletStore, validator: Validator, clock: Clock) -> None:
        self._wallet = wallet
        self._validator = validator
        self._clock = clock

    def estimate(self, job: Job, *, look: bool = True) -> Estimate:
        """What a job will cost; `look`: whether its source may be asked how large its input is."""
        own = by_own_chunks(job) if job.state is JobState.PARTITIONED else None
        if own is not None:
            return own
        app_id, device = self._app(job)
        chunks = job.num_chunks
        size_bytes = self._size_bytes(job) if look else None
        found = from_history(self._wallet.past(job.account_id, app_id, MOST_RUNS), chunks, size_bytes)
        return found or by_size(self._hourly(device), chunks, size_bytes)

    def _app(self, job: Job) -> tuple[str, Device]:
        if job.blocks is not None:
            return job.blocks.app.id, read_manifest(job.blocks.app.manifest).device
        block = self._validator.block_of(job, Role.APP)
        return ("", Device()) if block is None else (block.pinned.id, block.manifest.device)

    def _hourly(self, device: Device) -> Decimal:
        return Tariff(tuple(self._wallet.prices())).price(device, "", self._clock.now(), HOUR_US)

    def _size_bytes(self, job: Job) -> int | None:
        """The size of the input; None where nobody can tell."""
        if job.tally.total and job.tally.done == job.tally.total:
            return job.tally.bytes_in
        try:
            found = self._validator.look(job.data_source, None)
        except (Refused, Unavailable):
            return None
        return found.size_bytes if found is not None and found.whole else None
