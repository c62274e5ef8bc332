"""Every error Fanfold raises, in one tree.

    FanfoldError
    ├── Refused                what was asked cannot be done as asked; the person can mend it
    │   ├── BadInput           malformed or impossible input; names every problem at once
    │   │   ├── BadManifest    a block's manifest or folder
    │   │   └── BadParams      params that break a block's schema
    │   ├── NotFound           no such job, task, block, file
    │   ├── NotAllowedNow      the job's state does not allow it
    │   ├── Conflict           somebody else holds or made it already
    │   ├── QuotaExceeded      the account has as much as it may have
    │   └── BalanceTooLow      the account's money does not cover it
    ├── IllegalMove            an event that the present state does not know: a defect of ours
    ├── Deposed                another orchestrator has the lease; nothing was changed
    ├── LostRace               another writer was first; nothing was changed
    ├── Unavailable            a store, a disk or a network does not answer now
    │   └── OutOfSpace         a disk is full
    ├── MissingPart            an optional library or program is not installed
    └── Broken                 an invariant does not hold: a defect of ours

`code` never changes and is what programs compare; the sentence may change. `retryable` says whether the same call may
succeed later with nothing changed by the caller. A user's failing script is no error of this tree but an outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where (a dotted path, may be empty) and why."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class FanfoldError(Exception):
    """The root; never raised itself. `said` is the message without the list of problems."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        stop = "" if not hint or message.endswith((".", "!", "?")) else "."
        super().__init__(f"{message}{stop} {hint}".strip())
        self.message = self.said = message
        self.hint = hint


class Refused(FanfoldError):
    """What was asked cannot be done as asked."""

    code = "refused"


class BadInput(Refused):
    """Malformed or impossible input, with every problem that was found."""

    code = "bad_input"

    def __init__(self, message: str, problems: Iterable[Problem] = (), *, hint: str = "") -> None:
        self.problems = tuple(problems)
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"{message}: {listed}" if listed else message, hint=hint)
        self.said = message


class BadManifest(BadInput):
    """A block's manifest or folder is not what the contract says."""

    code = "bad_manifest"


class BadParams(BadInput):
    """Params that break a block's schema."""

    code = "bad_params"


class NotFound(Refused):
    """There is no such job, task, block or file."""

    code = "not_found"


class NotAllowedNow(Refused):
    """The state of the job does not allow it."""

    code = "not_allowed_now"


class Conflict(Refused):
    """Somebody else holds it, or it was made already."""

    code = "conflict"


class QuotaExceeded(Refused):
    """The account has as much as its quota allows; the sentence has both numbers."""

    code = "quota_exceeded"


class BalanceTooLow(Refused):
    """The account's balance does not cover it; the sentence has both amounts."""

    code = "balance_too_low"


class IllegalMove(FanfoldError):
    """An event that the present state does not know; nothing was changed."""

    code = "illegal_move"


class Deposed(FanfoldError):
    """Another orchestrator has taken the lease; nothing was changed, and nothing of this one counts any more."""

    code = "deposed"


class LostRace(FanfoldError):
    """Another writer was first; nothing was changed, look again."""

    code = "lost_race"
    retryable = True


class Unavailable(FanfoldError):
    """A store, a disk or a network does not answer now."""

    code = "unavailable"
    retryable = True


class OutOfSpace(Unavailable):
    """A disk is full."""

    code = "out_of_space"


class MissingPart(FanfoldError):
    """An optional library or program is not installed; the hint is the command that installs it."""

    code = "missing_part"


class Broken(FanfoldError):
    """An invariant does not hold."""

    code = "broken"
