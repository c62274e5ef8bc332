"""A missing optional service is a skip at home and a failure on a build machine."""

from collections.abc import Callable

import pytest

Optional = Callable[[str, str], None]


def test_an_absent_service_skips_a_test_at_home(optional: Optional, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL is not here: not installed"):
        optional("PostgreSQL", "not installed")


def test_an_absent_service_fails_a_test_where_ci_is_set(optional: Optional, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL is not here: not installed"):
        optional("PostgreSQL", "not installed")
