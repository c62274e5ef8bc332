"""A server's people, for tests: a clock to turn, a database in memory, and users of every role who are signed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fanfold.effects import Effects
from fanfold.jobs.access import Caller, Right, UserRole
from fanfold.ports.clock import Clock
from fanfold.services.access import AccessService
from fanfold.services.credentials import new_key
from fanfold.stores.access import SqlAccess
from fanfold.stores.database import Database
from fanfold.stores.sqlite import SqliteDatabase
from tests.values import NOON

PEPPER = b"p" * 32


class TurnedClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def turn(self, seconds: float) -> None:
        self.seconds += seconds


_fits: type[Clock] = TurnedClock


@dataclass(frozen=True)
class People:
    """The access service of a server at its first start, with the administrator's key."""

    database: Database
    clock: TurnedClock
    access: AccessService
    first_key: str

    @property
    def admin(self) -> Caller:
        return self.signed_in(self.first_key)

    def signed_in(self, key: str) -> Caller:
        caller = self.access.caller_of(self.token(key))
        assert caller is not None
        return caller

    def token(self, key: str) -> str:
        return self.access.sign_in(key)[0]

    def key_of(self, role: UserRole, *scopes: Right, account: str = "default", valid_s: float = 0) -> str:
        """The key of a new user."""
        admin = self.admin
        user = self.access.administration.create_user(admin, account, role.value, "", role)
        return self.access.create_key(admin, "made for them", valid_s, scopes, user.id)[1]

    def a(self, role: UserRole, *scopes: Right, account: str = "default") -> Caller:
        """A new user, signed in."""
        return self.signed_in(self.key_of(role, *scopes, account=account))

    def account(self, name: str) -> str:
        """The id of a new account."""
        return self.access.administration.create_account(self.admin, name, name).id


@contextmanager
def people_of_a_server(file: Path | None = None) -> Iterator[People]:
    """A server at its first start, in memory or in a file."""
    database, clock = SqliteDatabase(file, Effects()), TurnedClock()
    access = AccessService(SqlAccess(database), clock, PEPPER)
    key = new_key()
    assert access.first_account(key)
    yield People(database, clock, access, key)
    database.close()
