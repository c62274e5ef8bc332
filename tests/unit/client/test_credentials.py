from pathlib import Path

import pytest

from fanfold.client.credentials import Credentials, config_file, find, plain_url, read, store
from fanfold.client.errors import NotSignedIn
from fanfold.errors import BadInput

ONE, TWO = "http://one:8480", "https://two.example/fanfold"


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    file = config_file(environment)
    store(Credentials(TWO, "ff_two"), file)
    store(Credentials(ONE, "ff_one"), file)
    return environment


def test_the_last_login_is_used_when_nothing_is_said(here: dict[str, str]) -> None:
    assert find(environment=here) == Credentials(ONE, "ff_one")


def test_what_is_said_wins_over_the_environment_and_that_over_what_is_stored(here: dict[str, str]) -> None:
    told = {**here, "FANFOLD_URL": "http://three", "FANFOLD_API_KEY": "ff_three"}
    assert find(environment=told) == Credentials("http://three", "ff_three")
    assert find("http://four", "ff_four", told) == Credentials("http://four", "ff_four")


def test_a_stored_key_goes_to_its_own_server_only(here: dict[str, str]) -> None:
    assert find("HTTPS://two.example/fanfold/", environment=here).api_key == "ff_two"
    with pytest.raises(NotSignedIn, match="no API key for http://evil"):
        find("http://evil", environment=here)
    with pytest.raises(NotSignedIn):
        find(environment={**here, "FANFOLD_URL": "http://evil"})


def test_keys_are_readable_by_their_user_only_and_are_never_shown(here: dict[str, str]) -> None:
    file = config_file(here)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert "ff_one" not in repr(find(environment=here))


def test_an_odd_url_or_key_is_kept_as_it_is(tmp_path: Path) -> None:
    odd = Credentials("http://host/a b", 'ff_"quoted\\ \n')
    assert read(store(odd, tmp_path / "config.toml")).keys[odd.url] == odd.api_key


def test_nothing_stored_says_how_to_sign_in(tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn, match="fanfold login"):
        find(environment={"XDG_CONFIG_HOME": str(tmp_path)})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = config_file({"XDG_CONFIG_HOME": str(tmp_path)})
    file.parent.mkdir()
    file.write_text("url = [")
    with pytest.raises(BadInput, match=r"config\.toml' cannot be read"):
        find(environment={"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://user:word@host", "http://host?a=1"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="not the URL of a server"):
        plain_url(url)


def test_a_host_without_a_scheme_is_plain_http() -> None:
    assert plain_url("LOCALHOST:8480/") == "http://localhost:8480"
