"""Who may do what: four roles, four rights, one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class UserRole(StrEnum):
    """What a user is; each role has all rights of those before it."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    DEVELOPER = "developer"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """What a call needs. NOTHING: no token at all."""

    NOTHING = "nothing"
    READ = "read"
    SUBMIT = "submit"
    DEVELOP = "develop"
    ADMINISTER = "administer"


RIGHTS: Mapping[UserRole, frozenset[Right]] = {
    UserRole.VIEWER: frozenset({Right.READ}),
    UserRole.SUBMITTER: frozenset({Right.READ, Right.SUBMIT}),
    UserRole.DEVELOPER: frozenset({Right.READ, Right.SUBMIT, Right.DEVELOP}),
    UserRole.ADMINISTRATOR: frozenset({Right.READ, Right.SUBMIT, Right.DEVELOP, Right.ADMINISTER}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a user of an account, through a key whose scopes may narrow the user's rights (empty: they do not).
    `requests_per_s` is what all of the account's keys may ask together; None: no bound."""

    account_id: str
    user_id: str
    user_name: str
    role: UserRole
    key_id: str = ""
    scopes: frozenset[Right] = frozenset()
    requests_per_s: float | None = None

    def may(self, right: Right) -> bool:
        """Whether the caller has a right."""
        if right is Right.NOTHING:
            return True
        return right in RIGHTS[self.role] and (not self.scopes or right in self.scopes)
