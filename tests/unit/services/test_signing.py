"""A signed link opens one path until one time, and nothing else."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from fanfold.errors import NotFound
from fanfold.services.signing import Signer
from tests.values import NOON, after

PATH = "/files/results/job/1/a b/ü#?.txt"
SIGNER = Signer(b"k" * 32)


def parts(link: str) -> tuple[str, str, str]:
    split = urlsplit(link)
    query = parse_qs(split.query)
    return unquote(split.path), query["expires"][0], query["signature"][0]


def test_a_link_carries_its_path_encoded_and_opens_it_until_it_expires() -> None:
    link = SIGNER.link(PATH, after(60))
    assert link.isascii()
    path, expires, signature = parts(link)
    assert path == PATH
    assert SIGNER.check(path, expires, signature, after(59)) == after(60)


def test_an_expired_link_says_so_and_is_not_found() -> None:
    _, expires, signature = parts(SIGNER.link(PATH, after(60)))
    with pytest.raises(NotFound, match="was good until 2031-05-04T12:01:00Z"):
        SIGNER.check(PATH, expires, signature, after(60))


@pytest.mark.parametrize("other", ["/files/results/job/2/a", PATH + "x", "", PATH.upper()])
def test_a_signature_opens_no_other_path(other: str) -> None:
    _, expires, signature = parts(SIGNER.link(PATH, after(60)))
    with pytest.raises(NotFound):
        SIGNER.check(other, expires, signature, NOON)


@pytest.mark.parametrize("later", ["", "0", "99999999999", "x", "-1", "1e9", "٣", "1 ", "9" * 400])
def test_the_time_cannot_be_changed(later: str) -> None:
    _, _, signature = parts(SIGNER.link(PATH, after(60)))
    with pytest.raises(NotFound):
        SIGNER.check(PATH, later, signature, NOON)


@pytest.mark.parametrize("wrong", ["", "0" * 64, "é", "\udc80"])
def test_a_wrong_signature_opens_nothing(wrong: str) -> None:
    _, expires, _ = parts(SIGNER.link(PATH, after(60)))
    with pytest.raises(NotFound):
        SIGNER.check(PATH, expires, wrong, NOON)


def test_another_key_gives_links_that_open_nothing_here() -> None:
    _, expires, signature = parts(Signer(b"o" * 32).link(PATH, after(60)))
    with pytest.raises(NotFound):
        SIGNER.check(PATH, expires, signature, NOON)


def test_a_path_and_a_time_cannot_trade_characters() -> None:
    assert parts(SIGNER.link("/a\n1", after(60)))[2] != parts(SIGNER.link("/a", after(60)))[2]
