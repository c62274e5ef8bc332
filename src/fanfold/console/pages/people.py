"""For administrators: accounts, users, who changed what; and the system at a glance, for everybody who signs in."""

from __future__ import annotations

from typing import Any

import psutil
from starlette.responses import Response

from fanfold import __version__
from fanfold.console.app import Page
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.errors import BadInput, Problem, Refused
from fanfold.jobs.access import Right, UserRole

MOST_NAME = 200


def people(visit: Visit) -> Response:
    """Accounts, and the users of one or of all."""
    return _people(visit)


def _people(visit: Visit, status: int = 200, error: str = "", problems: object = ()) -> Response:
    house, account = visit.services.access.administration, visit.query("account")
    accounts, _ = house.accounts(500, 0)
    users, total = house.users(account, USUAL_A_PAGE, visit.offset())
    values: dict[str, Any] = {"accounts": accounts, "users": users, "total": total, "account": account}
    values |= {"offset": visit.offset(), "limit": USUAL_A_PAGE, "roles": list(UserRole)}
    return visit.page("people.html", status, error=error, problems=problems, **values)


def _name(visit: Visit) -> str:
    name = visit.text("name").strip()
    if not name or len(name) > MOST_NAME or any(ord(letter) < 32 for letter in name):
        raise BadInput("the name is not right", [Problem("name", f"expected 1 to {MOST_NAME} characters")])
    return name


def create_account(visit: Visit) -> Response:
    """A new account."""
    try:
        name = _name(visit)
        visit.services.access.administration.create_account(
            visit.caller, name, visit.text("id").strip(), request_id=visit.request_id
        )
    except Refused as refused:
        return _people(visit, 400, refused.message, getattr(refused, "problems", ()))
    return visit.go("/people", "saved")


def create_user(visit: Visit) -> Response:
    """A new user of an account."""
    try:
        role = visit.text("role")
        if role not in set(UserRole):
            raise BadInput("the user is not right", [Problem("role", "is not known")])
        visit.services.access.administration.create_user(
            visit.caller,
            visit.text("account"),
            _name(visit),
            visit.text("email")[:200],
            UserRole(role),
            visit.request_id,
        )
    except Refused as refused:
        return _people(visit, 400, refused.message, getattr(refused, "problems", ()))
    return visit.go("/people", "saved")


def give_key(visit: Visit) -> Response:
    """A key for another user, whose text is shown this once."""
    user = visit.services.access.administration.user(visit.path("user_id"))
    _, text = visit.services.access.create_key(
        visit.caller, "from an administrator", user_id=user.id, request_id=visit.request_id
    )
    return visit.page("key_made.html", text=text, user=user)


def _disabled(visit: Visit) -> bool:
    return visit.text("disabled") == "yes"


def change_account(visit: Visit) -> Response:
    """Disable an account, or enable it again."""
    off = _disabled(visit)
    visit.services.access.administration.change_account(
        visit.caller, visit.path("account_id"), disabled=off, request_id=visit.request_id
    )
    return visit.go("/people", "disabled" if off else "enabled")


def change_user(visit: Visit) -> Response:
    """Disable a user, or enable them again."""
    off = _disabled(visit)
    visit.services.access.administration.change_user(
        visit.caller, visit.path("user_id"), disabled=off, request_id=visit.request_id
    )
    return visit.go("/people", "disabled" if off else "enabled")


def audit(visit: Visit) -> Response:
    """Who changed what: of one's own account, or, for administrators, of all."""
    offset = visit.offset()
    entries, total = visit.services.access.audit.page(visit.caller, USUAL_A_PAGE, offset, visit.query("account"))
    names: dict[str, str] = {}
    for entry in entries:
        if entry.user_id and entry.user_id not in names:
            names[entry.user_id] = visit.services.access.administration.user(entry.user_id).name
    return visit.page("audit.html", entries=entries, names=names, total=total, offset=offset, limit=USUAL_A_PAGE)


def system(visit: Visit) -> Response:
    """Runners and what they do now, counts, disk: the whole at a glance."""
    services = visit.services
    everything = visit.caller.may(Right.ADMINISTER)
    counts = services.store.counts(None if everything else visit.account)
    runners = services.executor.runners()
    own = {str(job_id) for job_id in (runner["jobId"] for runner in runners) if job_id and _is_own(visit, str(job_id))}
    memory = psutil.virtual_memory()
    return visit.page(
        "system.html" if not visit.request.headers.get("hx-request") else "_system.html",
        runners=runners,
        own=own,
        slots=services.executor.capacity().slots,
        busy=sum(runner["attempt"] is not None for runner in runners),
        counts=counts,
        everything=everything,
        shortage=services.space.shortage(),
        alive=services.alive(),
        memory=memory,
        load=psutil.getloadavg(),
        release=__version__,
    )


def settings(visit: Visit) -> Response:
    """The caller's own choices, and for administrators what the server was started with."""
    account = visit.services.access.administration.account(visit.account)
    shown = visit.desk.settings if visit.caller.may(Right.ADMINISTER) else ()
    return visit.page("settings.html", account=account, settings=shown, release=__version__)


def _is_own(visit: Visit, job_id: str) -> bool:
    try:
        visit.services.jobs.get(visit.account, job_id)
    except Refused:
        return False
    return True


_ADMINISTER = Right.ADMINISTER
PAGES = [
    Page("/people", people, _ADMINISTER),
    Page("/people/accounts", create_account, _ADMINISTER, "POST"),
    Page("/people/users", create_user, _ADMINISTER, "POST"),
    Page("/people/users/{user_id}/key", give_key, _ADMINISTER, "POST"),
    Page("/people/users/{user_id}", change_user, _ADMINISTER, "POST"),
    Page("/people/accounts/{account_id}", change_account, _ADMINISTER, "POST"),
    Page("/audit", audit),
    Page("/system", system),
    Page("/settings", settings),
]
