"""Jobs as people command them: what a command that is refused leaves, and what others do meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BalanceTooLow, LostRace
from fanfold.jobs.models import BlockTags, Job, JobState
from fanfold.jobs.money import hold
from fanfold.services.block_files import BlockFiles
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.jobs import JobService
from fanfold.services.local_blocks import LocalBlocks
from fanfold.services.packages import Packages
from fanfold.services.terms import Terms, Treasury
from fanfold.services.validation import Validator
from fanfold.signals import ThreadSignal
from fanfold.stores.sql import SqlStore
from fanfold.stores.wallet import SqlWallet
from fanfold.wiring import local_sources
from tests.people import People
from tests.values import NOON

ACCOUNT = "default"


class Dear:
    """A round is held to less, and costs what an account without chips does not have. `meanwhile` is done by others."""

    def __init__(self, price: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._price = Decimal(price)
        self._meanwhile = meanwhile

    def terms(self, job: Job) -> Terms:
        self._meanwhile()
        aside = hold(job.account_id, job.id, job.round, self._price, timedelta(hours=1))
        return Terms(job.config, ("it is held to less",), bookings=(aside,))


class Desk:
    """The commands of an account without a chip, in a server that charges."""

    def __init__(self, people: People, folder: Path) -> None:
        self.people = people
        self.folder = folder
        self.store = SqlStore(people.database)
        SqlWallet(people.database, self.store.books).enable(lambda: NOON)
        program = folder / "app.py"
        program.write_text("print()")
        blocks = LocalBlocks(Packages(BlockFiles(folder, Effects(), people.clock), Effects()))
        sources = local_sources(Effects())
        self.validator = Validator(blocks, sources, CallerSecrets({}), no_container=lambda _image: "")
        tags = BlockTags(str(program), "passthrough", "passthrough")
        self.job = self.asked(Dear(0)).create(ACCOUNT, "ann", tags=tags)

    def asked(self, treasury: Treasury) -> JobService:
        return JobService(self.store, self.validator, self.people.clock, ThreadSignal(), treasury=treasury)


@pytest.fixture
def desk(people: People, tmp_path: Path) -> Desk:
    return Desk(people, tmp_path)


def test_a_run_that_is_refused_leaves_the_draft_as_it_was(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(BalanceTooLow):
            desk.asked(Dear(1)).run(ACCOUNT, desk.job.id, "ann")
    assert desk.store.job(desk.job.id) == desk.job
    job = desk.asked(Dear(0)).run(ACCOUNT, desk.job.id, "ann")
    assert (job.state, job.warnings) == (JobState.STARTED, ("it is held to less",))


def test_a_run_does_not_undo_what_somebody_else_edits_meanwhile(desk: Desk) -> None:
    """Nor does it begin with what was there before."""

    def edit() -> None:
        desk.asked(Dear(0)).edit(ACCOUNT, desk.job.id, warnings=("edited",))

    with pytest.raises(LostRace):
        desk.asked(Dear(0, meanwhile=edit)).run(ACCOUNT, desk.job.id, "ann")
    job = desk.store.job(desk.job.id)
    assert (job.state, job.warnings) == (JobState.NEW, ("edited",))
