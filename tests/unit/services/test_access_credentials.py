"""The texts of keys and tokens."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.errors import BadInput
from fanfold.services.credentials import check_key, fingerprint_of, is_token, mac_of, new_key, new_token

KEY = new_key()
LETTERS = string.ascii_letters + string.digits + "-_"


def test_new_keys_are_whole_and_differ() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        check_key(key)


def test_new_tokens_are_whole_and_differ() -> None:
    assert all(is_token(token) for token in {new_token() for _ in range(100)})


@given(st.integers(0, len(KEY) - 1))
def test_a_key_cut_anywhere_is_recognised(length: int) -> None:
    with pytest.raises(BadInput):
        check_key(KEY[:length])


@given(st.integers(3, len(KEY) - 1), st.sampled_from(LETTERS))
def test_a_key_with_one_other_letter_is_recognised(place: int, letter: str) -> None:
    changed = KEY[:place] + letter + KEY[place + 1 :]
    if changed != KEY:
        with pytest.raises(BadInput, match="checksum"):
            check_key(changed)


@given(st.text(max_size=80))
def test_any_text_is_refused_by_a_sentence_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_key(f"ff_{text}")
    assert len(text) < 12 or text not in str(refused.value)
    assert not is_token(text)


def test_a_token_given_as_a_key_is_named_as_one() -> None:
    with pytest.raises(BadInput, match="an access token, not an API key"):
        check_key(new_token())


def test_a_mac_depends_on_the_pepper_and_a_fingerprint_does_not() -> None:
    assert mac_of(KEY, b"a" * 32) != mac_of(KEY, b"b" * 32)
    assert fingerprint_of(KEY) not in mac_of(KEY, b"a" * 32)
