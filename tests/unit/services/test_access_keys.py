"""Keys and tokens: who gets in, with what rights, until when."""

import logging
from datetime import timedelta

import pytest
import sqlalchemy as sa

from fanfold.errors import BadInput, Conflict, NotFound, Refused
from fanfold.jobs.access import RIGHTS, Right, UserRole
from fanfold.services.access import TOKEN_S
from fanfold.services.callers import REMEMBERED, Callers
from fanfold.services.credentials import mac_of, new_key
from fanfold.stores.access import SqlAccess
from fanfold.stores.server_tables import api_keys, audit, tokens
from tests.people import PEPPER, People, people_of_a_server
from tests.values import NOON

DAY_S = 86_400


def test_the_first_account_has_an_administrator_and_is_made_once(people: People) -> None:
    assert not people.access.first_account(new_key())
    assert people.admin.role is UserRole.ADMINISTRATOR
    assert people.admin.account_id == "default"


def test_a_key_is_exchanged_for_a_token_that_lives_an_hour(people: People) -> None:
    token, seconds, scope = people.access.sign_in(people.first_key)
    assert (seconds, scope) == (TOKEN_S, "read submit develop administer")
    people.clock.turn(TOKEN_S - 1)
    assert people.access.caller_of(token) is not None
    people.clock.turn(1)
    assert people.access.caller_of(token) is None


def test_spaces_around_a_key_do_no_harm(people: People) -> None:
    assert people.access.sign_in(f" {people.first_key}\n")


def test_a_wrong_key_is_told_from_one_that_was_cut(people: People) -> None:
    with pytest.raises(NotFound, match="no API key like this"):
        people.access.sign_in(new_key())
    with pytest.raises(BadInput, match="it has 20 characters instead of 52"):
        people.access.sign_in(people.first_key[:20])


@pytest.mark.parametrize("text", ["", "x", "fft_", "Bearer x", "\ud800", "ff_\0", "ff_" + "é" * 49, f"fft_{'x' * 47}"])
def test_what_is_no_token_is_nobody(people: People, text: str) -> None:
    assert people.access.caller_of(text) is None


def test_a_foreign_token_is_nobody(people: People) -> None:
    with people_of_a_server() as others:
        token = others.token(others.first_key)
    assert people.access.caller_of(token) is None


def test_an_api_key_does_not_pass_as_a_token(people: People) -> None:
    assert people.access.caller_of(people.first_key) is None


def test_signing_out_ends_one_token_at_once(people: People) -> None:
    one, other = people.token(people.first_key), people.token(people.first_key)
    assert people.access.caller_of(one) is not None
    people.access.sign_out(one)
    people.access.sign_out(one)
    assert people.access.caller_of(one) is None
    assert people.access.caller_of(other) is not None


def test_revoking_a_key_ends_its_tokens_at_once_and_no_others(people: People) -> None:
    developer = people.a(UserRole.DEVELOPER)
    record, text = people.access.create_key(developer, "lost")
    lost, kept = people.token(text), people.token(people.first_key)
    assert people.access.caller_of(lost) is not None
    people.access.revoke_key(developer, record.id)
    assert people.access.caller_of(lost) is None
    assert people.access.caller_of(kept) is not None
    with pytest.raises(Refused, match="was revoked"):
        people.access.sign_in(text)


def test_a_key_that_is_revoked_twice_keeps_the_first_time(people: People) -> None:
    record, _ = people.access.create_key(people.admin, "spare")
    first = people.access.revoke_key(people.admin, record.id).revoked_at
    people.clock.turn(60)
    assert people.access.revoke_key(people.admin, record.id).revoked_at == first == NOON


def test_what_another_process_revokes_is_known_within_seconds(people: People) -> None:
    token = people.token(people.first_key)
    assert people.access.caller_of(token) is not None
    with people.database.writing("another process") as connection:
        connection.execute(sa.update(tokens).values(revoked_at=NOON))
    people.clock.turn(REMEMBERED.total_seconds())
    assert people.access.caller_of(token) is None


def test_a_revocation_while_a_token_is_looked_up_is_not_forgotten(people: People) -> None:
    """The look-up reads before the revocation and would remember after it."""

    class RevokedMeanwhile(SqlAccess):
        def holder_of_token(self, mac: str):
            found = super().holder_of_token(mac)
            callers.forget()
            return found

    token = people.token(people.first_key)
    callers = Callers(RevokedMeanwhile(people.database), people.clock, PEPPER)
    assert callers.of(token) is not None
    people.access.sign_out(token)
    assert callers.of(token) is None


def test_a_token_does_not_outlive_its_key(people: People) -> None:
    text = people.key_of(UserRole.VIEWER, valid_s=600)
    token, seconds, _ = people.access.sign_in(text)
    assert seconds == 600
    people.clock.turn(600)
    assert people.access.caller_of(token) is None
    with pytest.raises(Refused, match="expired at 2031-05-04 12:10 UTC"):
        people.access.sign_in(text)


def test_a_key_is_valid_for_a_year_unless_told_otherwise(people: People) -> None:
    usual, _ = people.access.create_key(people.admin, "usual")
    assert usual.expires_at == NOON + timedelta(days=365)
    assert people.access.create_key(people.admin, "for ever", 0)[0].expires_at is None


@pytest.mark.parametrize("valid_s", [-1, 0.5, 11 * 365 * DAY_S, float("inf"), float("nan")])
def test_a_validity_that_makes_no_sense_is_refused(people: People, valid_s: float) -> None:
    with pytest.raises(BadInput, match="validity"):
        people.access.create_key(people.admin, "odd", valid_s)


@pytest.mark.parametrize("role", UserRole)
def test_a_key_without_scopes_carries_the_rights_of_its_user(people: People, role: UserRole) -> None:
    caller = people.a(role)
    assert {right for right in Right if caller.may(right)} == RIGHTS[role] | {Right.NOTHING}


def test_scopes_narrow_what_a_user_may(people: People) -> None:
    caller = people.a(UserRole.DEVELOPER, Right.SUBMIT)
    assert caller.may(Right.SUBMIT)
    assert caller.may(Right.READ), "whoever starts a job looks at it"
    assert not caller.may(Right.DEVELOP)


def test_scopes_beyond_the_users_role_are_refused(people: People) -> None:
    with pytest.raises(BadInput, match="found administer, develop; role 'submitter' gives read, submit"):
        people.key_of(UserRole.SUBMITTER, Right.SUBMIT, Right.DEVELOP, Right.ADMINISTER)


def test_a_narrow_key_makes_no_wider_one(people: People) -> None:
    narrow = people.a(UserRole.ADMINISTRATOR, Right.DEVELOP)
    with pytest.raises(BadInput, match="your role and key give develop, read"):
        people.access.create_key(narrow, "wider", scopes=[Right.SUBMIT])
    inherited, _ = people.access.create_key(narrow, "as narrow")
    assert inherited.scopes == narrow.scopes


def test_a_role_that_is_taken_away_narrows_keys_that_are_out(people: People) -> None:
    text = people.key_of(UserRole.DEVELOPER, Right.DEVELOP)
    caller = people.signed_in(text)
    people.access.administration.change_user(people.admin, caller.user_id, role=UserRole.VIEWER)
    assert not people.signed_in(text).may(Right.DEVELOP)


def test_people_see_and_revoke_their_own_keys_only(people: People) -> None:
    one, other = people.a(UserRole.DEVELOPER), people.a(UserRole.DEVELOPER)
    assert [key.id for key in people.access.keys(one)] == [one.key_id]
    for ask in (
        lambda: people.access.keys(one, other.user_id),
        lambda: people.access.revoke_key(one, other.key_id),
        lambda: people.access.create_key(one, "theirs", user_id=other.user_id),
    ):
        with pytest.raises(NotFound):
            ask()


def test_administrators_see_make_and_revoke_the_keys_of_others(people: People) -> None:
    viewer = people.a(UserRole.VIEWER)
    made, _ = people.access.create_key(people.admin, "second", user_id=viewer.user_id)
    assert {key.id for key in people.access.keys(people.admin, viewer.user_id)} == {viewer.key_id, made.id}
    assert people.access.revoke_key(people.admin, made.id).revoked_at is not None


def test_the_last_key_that_administers_is_kept(people: People) -> None:
    admin = people.admin
    narrow, _ = people.access.create_key(admin, "cannot administer", scopes=[Right.READ])
    with pytest.raises(Conflict, match="without an administrator"):
        people.access.revoke_key(admin, admin.key_id)
    assert people.signed_in(people.first_key), "nothing was changed"
    people.access.create_key(admin, "second")
    people.access.revoke_key(admin, admin.key_id)
    assert narrow.revoked_at is None


def test_the_use_of_a_key_is_noted(people: People) -> None:
    record, text = people.access.create_key(people.admin, "noted")
    people.clock.turn(60)
    people.token(text)
    used = {key.id: key.used_at for key in people.access.keys(people.admin)}
    assert used[record.id] == NOON + timedelta(seconds=60)


def test_expired_tokens_are_forgotten(people: People) -> None:
    for _ in range(3):
        people.token(people.first_key)
    people.clock.turn(TOKEN_S)
    people.token(people.first_key)
    with people.database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tokens)).scalar_one() == 1


def test_no_text_of_a_key_or_token_is_stored_shown_or_logged(people: People, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    developer = people.a(UserRole.DEVELOPER)
    record, text = people.access.create_key(developer, "secret")
    token = people.token(text)
    caller = people.access.caller_of(token)
    found = SqlAccess(people.database).holder_of_token(mac_of(token, PEPPER))
    with pytest.raises(NotFound) as wrong:
        people.access.sign_in(secret := new_key())
    with pytest.raises(BadInput) as cut:
        people.access.sign_in(text[:-1])
    with people.database.reading() as connection:
        rows = [
            repr(row) for table in (api_keys, tokens, audit) for row in connection.execute(sa.select(table)).mappings()
        ]
    shown = [repr(record), repr(caller), repr(found), str(wrong.value), str(cut.value), caplog.text, *rows]
    for hidden in (text, token, secret):
        body = hidden.partition("_")[2][:20]
        assert not [line for line in shown if body in line]
