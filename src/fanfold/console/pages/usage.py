"""What programs used, month by month: a picture and a table, of an account, of all of them, or of one block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fanfold.console.visit import Visit
from fanfold.jobs.models import Role
from fanfold.jobs.money import ZERO, chips
from fanfold.ports.wallet import UsageLine
from fanfold.services.wallet import months_before

MONTHS = 12
DRAWN = 5
"""So many groups have a colour of their own; the others share one."""
LISTED = 50
OTHERS = "all others"

GROUPS: dict[str, tuple[str, Callable[[UsageLine], str], str]] = {
    "month": ("Month", lambda _: "", ""),
    "template": ("Template", lambda line: line.template_id, "without a template"),
    "label": ("Label", lambda line: line.label, "without a label"),
    "account": ("Account", lambda line: line.account_id, ""),
}
"""What usage is told by: its word, what a line of usage has of it, and what stands for nothing."""

FOR_ADMINISTRATORS = "account"


def groups_of(visit: Visit) -> list[tuple[str, str]]:
    """What the caller may have usage told by, with a word each."""
    return [(key, told[0]) for key, told in GROUPS.items() if key != FOR_ADMINISTRATORS or visit.may("administer")]


def told(visit: Visit, program: tuple[Role, str] | None = None) -> dict[str, Any]:
    """What `_usage.html` shows of the last twelve months; grouped as the address says, or by month."""
    known = groups_of(visit)
    by = visit.query("by") if visit.query("by") in dict(known) else "month"
    account = None if by == FOR_ADMINISTRATORS else visit.account
    wanted = ["month"] if by == "month" else ["month", by]
    found = visit.services.wallet.usage(wanted, None, None, account, program=program)
    named = [(one.month, _name(by, one.line), one.line) for one in found]
    drawn = stacked(named, visit.services.clock.now())
    return {"usage": {"by": by, "groups": known, "word": GROUPS[by][0], "drawn": drawn, **listed(by, named)}}


def _name(by: str, line: UsageLine) -> str:
    _, named, nothing = GROUPS[by]
    return named(line) or nothing


def stacked(named: Sequence[tuple[str, str, UsageLine]], now: datetime) -> dict[str, Any]:
    """The chips of each of the last months (a picture needs no more than floats), the dearest groups first; what
    remains is one group."""
    months = [f"{months_before(now, back):%Y-%m}" for back in range(MONTHS - 1, -1, -1)]
    sums: dict[str, Decimal] = {}
    for _, name, line in named:
        sums[name] = sums.get(name, ZERO) + line.cost
    dearest = sorted(sums, key=lambda name: (-sums[name], name))
    own = dearest if len(dearest) <= DRAWN + 1 else dearest[:DRAWN]
    rows = {name: [0.0] * MONTHS for name in (own if own == dearest else [*own, OTHERS])}
    for month, name, line in named:
        if month in months:
            rows[name if name in own else OTHERS][months.index(month)] += float(line.cost)
    return {"months": months, "groups": [{"name": name[:60], "chips": row} for name, row in rows.items()]}


def listed(by: str, named: Sequence[tuple[str, str, UsageLine]]) -> dict[str, Any]:
    """Lines of a table, the dearest first, months by time; each with its share of the largest."""
    sums: dict[str, tuple[int, int, Decimal]] = {}
    for month, name, line in named:
        key = month if by == "month" else name
        attempts, run_us, cost = sums.get(key, (0, 0, ZERO))
        sums[key] = (attempts + line.attempts, run_us + line.run_us, cost + line.cost)
    most = max((cost for _, _, cost in sums.values()), default=ZERO)
    longest = max((run_us for _, run_us, _ in sums.values()), default=0)
    order = sorted(sums, reverse=True) if by == "month" else sorted(sums, key=lambda key: (-sums[key][2], key))
    lines = [_listed(key, sums[key], most, longest) for key in order[:LISTED]]
    return {"lines": lines, "more": len(order) - len(lines)}


def _listed(name: str, used: tuple[int, int, Decimal], most: Decimal, longest: int) -> dict[str, Any]:
    attempts, run_us, cost = used
    share = float(100 * cost / most) if most else 100 * run_us / longest if longest else 0.0
    return {"name": name, "attempts": attempts, "run_s": run_us / 1e6, "cost": chips(cost), "share": share}
