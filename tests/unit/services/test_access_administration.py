"""Accounts and users, as administrators change them, and the audit log that tells of it."""

from collections.abc import Callable

import pytest

from fanfold.errors import BadInput, Conflict, NotFound, Refused
from fanfold.jobs.access import Caller, UserRole
from tests.people import People


def test_an_account_is_made_changed_and_listed(people: People) -> None:
    desk, admin = people.access.administration, people.admin
    made = desk.create_account(admin, "Team A", "team-a", quotas={"jobs": 5})
    assert desk.change_account(admin, made.id, name="Team B").name == "Team B"
    accounts, total = desk.accounts(10, 0)
    assert [(account.id, dict(account.quotas)) for account in accounts] == [("default", {}), ("team-a", {"jobs": 5})]
    assert total == 2
    assert desk.accounts(1, 1) == (accounts[1:], 2)


def test_an_account_id_is_taken_once(people: People) -> None:
    people.account("team-a")
    with pytest.raises(Conflict, match="'team-a' exists already"):
        people.account("team-a")


@pytest.mark.parametrize("account_id", ["A", "-a", "a/b", "..", "a" * 64, "a\0", "ä", "a\n"])
def test_an_odd_account_id_is_refused(people: People, account_id: str) -> None:
    with pytest.raises(BadInput, match="id: expected lower-case"):
        people.access.administration.create_account(people.admin, "odd", account_id)


def test_users_are_listed_by_account(people: People) -> None:
    desk, team = people.access.administration, people.account("team-a")
    viewer = people.a(UserRole.VIEWER, account=team)
    users, total = desk.users(team, 10, 0)
    assert ([user.id for user in users], total) == ([viewer.user_id], 1)
    assert desk.users("", 10, 0)[1] == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk, admin: desk.change_account(admin, "nobody", name="x"),
        lambda desk, admin: desk.change_user(admin, "nobody", name="x"),
        lambda desk, admin: desk.create_user(admin, "nobody", "x", "", UserRole.VIEWER),
        lambda desk, admin: desk.account("nobody"),
        lambda desk, admin: desk.user("nobody"),
    ],
)
def test_what_is_not_there_is_not_found_and_leaves_no_audit_line(people: People, ask: Callable[..., object]) -> None:
    admin = people.admin
    with pytest.raises(NotFound):
        ask(people.access.administration, admin)
    assert actions(people, admin) == ["account.first"]


def test_a_change_of_nothing_is_refused(people: People) -> None:
    with pytest.raises(BadInput, match="at least one of name, email, role, disabled"):
        people.access.administration.change_user(people.admin, people.admin.user_id)


def test_a_disabled_user_is_out_at_once_and_back_when_enabled(people: People) -> None:
    desk, admin = people.access.administration, people.admin
    text = people.key_of(UserRole.VIEWER)
    token = people.token(text)
    caller = people.signed_in(text)
    desk.change_user(admin, caller.user_id, disabled=True)
    assert people.access.caller_of(token) is None
    with pytest.raises(Refused, match="disabled"):
        people.access.sign_in(text)
    desk.change_user(admin, caller.user_id, disabled=False)
    assert people.access.caller_of(token) is not None


def test_a_disabled_account_shuts_out_all_its_users_and_no_others(people: People) -> None:
    team = people.account("team-a")
    inside, outside = people.key_of(UserRole.VIEWER, account=team), people.key_of(UserRole.VIEWER)
    tokens = people.token(inside), people.token(outside)
    people.access.administration.change_account(people.admin, team, disabled=True)
    assert [people.access.caller_of(token) is None for token in tokens] == [True, False]


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk, admin: desk.change_user(admin, admin.user_id, disabled=True),
        lambda desk, admin: desk.change_user(admin, admin.user_id, role=UserRole.DEVELOPER),
        lambda desk, admin: desk.change_account(admin, admin.account_id, disabled=True),
    ],
    ids=["disabled", "demoted", "with the account"],
)
def test_the_last_administrator_stays(people: People, ask: Callable[..., object]) -> None:
    admin = people.admin
    with pytest.raises(Conflict, match="without an administrator"):
        ask(people.access.administration, admin)
    assert people.signed_in(people.first_key).role is UserRole.ADMINISTRATOR
    people.a(UserRole.ADMINISTRATOR, account=people.account("others"))
    ask(people.access.administration, admin)


def test_an_administrator_without_a_key_does_not_count(people: People) -> None:
    admin = people.admin
    people.access.administration.create_user(admin, "default", "keyless", "", UserRole.ADMINISTRATOR)
    with pytest.raises(Conflict):
        people.access.administration.change_user(admin, admin.user_id, disabled=True)


def test_users_change_their_own_name_and_email(people: People) -> None:
    caller = people.a(UserRole.SUBMITTER)
    people.access.update_user(caller, "Ann", "ann@example.org")
    user = people.access.user(caller)
    assert (user.name, user.email, user.role) == ("Ann", "ann@example.org", UserRole.SUBMITTER)


def actions(people: People, caller: Caller, account_id: str = "") -> list[str]:
    return [entry.action for entry in people.access.audit.page(caller, 100, 0, account_id)[0]][::-1]


def test_every_change_leaves_one_audit_line_with_who_and_what(people: People) -> None:
    desk, admin = people.access.administration, people.admin
    team = desk.create_account(admin, "team-a", "team-a", request_id="r1").id
    desk.change_account(admin, team, quotas={"jobs": 1}, request_id="r2")
    user = desk.create_user(admin, team, "ann", "", UserRole.VIEWER, "r3")
    desk.change_user(admin, user.id, role=UserRole.DEVELOPER, request_id="r4")
    key, _ = people.access.create_key(admin, "hers", 0, (), user.id, "r5")
    people.access.revoke_key(admin, key.id, "r6")
    people.access.update_user(admin, "boss", request_id="r7")
    people.access.record(admin, "r8", "job.create", "a job", {"more": 1})
    entries, total = people.access.audit.page(admin, 100, 0)
    assert total == len(entries) == 9
    assert [(entry.request_id, entry.action, entry.object) for entry in entries[:-1]][::-1] == [
        ("r1", "account.create", team),
        ("r2", "account.change", team),
        ("r3", "user.create", user.id),
        ("r4", "user.change", user.id),
        ("r5", "key.create", key.id),
        ("r6", "key.revoke", key.id),
        ("r7", "user.change", admin.user_id),
        ("r8", "job.create", "a job"),
    ]
    assert {(entry.account_id, entry.user_id) for entry in entries} == {(admin.account_id, admin.user_id)}
    assert entries[4].data == {"role": "developer"}


def test_what_was_refused_leaves_no_audit_line(people: People) -> None:
    admin = people.admin
    with pytest.raises(Conflict):
        people.access.administration.change_user(admin, admin.user_id, disabled=True)
    assert actions(people, admin) == ["account.first"]


def test_administrators_read_every_audit_line_others_those_of_their_account(people: People) -> None:
    team = people.account("team-a")
    developer = people.a(UserRole.DEVELOPER, account=team)
    people.access.record(developer, "", "job.create", "theirs", {})
    assert actions(people, developer) == actions(people, people.admin, team) == ["job.create"]
    assert len(actions(people, people.admin)) == 5
    with pytest.raises(NotFound):
        people.access.audit.page(developer, 10, 0, "default")
