"""The page about access says of roles, rights and routes what the code does."""

import re

import pytest
from fastapi.routing import APIRoute

from fanfold.api.auth import Needs
from fanfold.api.routes import administration, auth, secrets, storage
from fanfold.jobs.access import RIGHTS, Right, UserRole
from fanfold.services.access import LONGEST_VALIDITY_S, TOKEN_S, USUAL_VALIDITY_S, WRONG_KEYS_A_MINUTE
from fanfold.services.callers import REMEMBERED
from fanfold.services.idempotency import KEPT
from fanfold.services.server_keys import FILE_NAME
from fanfold.wire.auth import AuthRole, AuthScope
from tests.arch.source import ROOT

PAGE = (ROOT / "docs" / "reference" / "access.md").read_text()
GIVEN = [right for right in Right if right is not Right.NOTHING]


@pytest.mark.parametrize("role", UserRole)
def test_a_role_has_the_rights_that_its_row_says(role: UserRole) -> None:
    cells = " | ".join("yes" if right in RIGHTS[role] else "no" for right in GIVEN)
    assert f"| role | {' | '.join(f'`{right.value}`' for right in GIVEN)} |" in PAGE
    assert f"| `{role.value}` | {cells} |" in PAGE


def test_every_right_is_explained() -> None:
    assert not [right for right in GIVEN if f"| `{right.value}` | to " not in PAGE and right is not Right.ADMINISTER]
    assert f"| `{Right.ADMINISTER.value}` | accounts, users" in PAGE


def test_the_public_names_of_roles_and_rights_are_ours() -> None:
    assert [role.value for role in AuthRole] == [role.value for role in UserRole]
    assert [scope.value for scope in AuthScope] == [right.value for right in GIVEN]


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert (TOKEN_S, REMEMBERED.total_seconds(), KEPT.total_seconds()) == (3600, 3, 24 * 3600)
    assert (USUAL_VALIDITY_S, LONGEST_VALIDITY_S) == (365 * 86_400, 10 * 365 * 86_400)
    assert f"{WRONG_KEYS_A_MINUTE} at once, then one a second" in PAGE
    assert f"`{FILE_NAME}`" in PAGE


def test_every_route_of_the_group_has_its_row_with_its_right_and_no_row_is_stale() -> None:
    found = set()
    for route in (*auth.router.routes, *administration.router.routes, *secrets.router.routes, *storage.router.routes):
        if not isinstance(route, APIRoute):
            continue
        rights = [needs.call.right for needs in route.dependant.dependencies if isinstance(needs.call, Needs)]
        assert len(rights) <= 1
        right = f"`{rights[0].value}`" if rights else "none"
        found |= {(f"{method} {route.path}", right) for method in route.methods}
    rows = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (`\w+`|none) \|", PAGE, re.MULTILINE))
    assert rows == found
