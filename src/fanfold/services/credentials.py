"""The texts of API keys and tokens: made, checked, and turned into what may be stored.

A key is `ff_`, 43 characters (32 random bytes), 6 characters (a checksum). The checksum keeps no secret: it tells a key
that was cut or mistyped from a wrong one, before anything is looked up. Tokens look alike with `fft_`. Both are stored
as HMAC-SHA256 under the server's pepper, so that a stolen database opens nothing; and since nobody without the pepper
can choose the MAC of a text, finding it by an index tells nothing through its timing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from fanfold.errors import BadInput

KEY_PREFIX = "ff_"
TOKEN_PREFIX = "fft_"  # noqa: S105 - what tokens begin with, not one of them
RANDOM_BYTES = 32
CHECKSUM_LETTERS = 6
SHOWN_LETTERS = 12
_BODY = re.compile(r"[A-Za-z0-9_-]{43}")
_LENGTHS = {prefix: len(prefix) + 43 + CHECKSUM_LETTERS for prefix in (KEY_PREFIX, TOKEN_PREFIX)}


def new_key() -> str:
    """The text of a new API key."""
    return _made(KEY_PREFIX)


def new_token() -> str:
    """The text of a new access token."""
    return _made(TOKEN_PREFIX)


def check_key(text: str) -> None:
    """Raises BadInput, with a sentence that does not repeat the text, for what cannot be a whole key."""
    if text.startswith(TOKEN_PREFIX):
        raise BadInput("this is an access token, not an API key; keys begin with 'ff_' alone")
    if not text.startswith(KEY_PREFIX):
        raise BadInput(f"this is not an API key of Fanfold; they begin with '{KEY_PREFIX}'")
    if len(text) != _LENGTHS[KEY_PREFIX]:
        found = f"it has {len(text)} characters instead of {_LENGTHS[KEY_PREFIX]}"
        raise BadInput(f"the API key is not whole: {found}; copy all of it")
    if not _whole(text, KEY_PREFIX):
        raise BadInput("the API key has a wrong character in it (its checksum does not fit); copy it again")


def is_token(text: str) -> bool:
    """Whether a text can be a whole token."""
    return text.startswith(TOKEN_PREFIX) and len(text) == _LENGTHS[TOKEN_PREFIX] and _whole(text, TOKEN_PREFIX)


def mac_of(text: str, pepper: bytes) -> str:
    """What is stored of a key or token: 64 hex digits."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def fingerprint_of(text: str) -> str:
    """How a key is named to people: 12 hex digits of its plain hash, which they can compute from the key they hold."""
    return hashlib.sha256(text.encode()).hexdigest()[:SHOWN_LETTERS]


def _made(prefix: str) -> str:
    body = prefix + base64.urlsafe_b64encode(secrets.token_bytes(RANDOM_BYTES)).rstrip(b"=").decode()
    return body + _checksum(body)


def _whole(text: str, prefix: str) -> bool:
    body, checksum = text[:-CHECKSUM_LETTERS], text[-CHECKSUM_LETTERS:]
    return _BODY.fullmatch(body.removeprefix(prefix)) is not None and _checksum(body) == checksum


def _checksum(body: str) -> str:
    digest = hashlib.blake2s(body.encode(), digest_size=4, person=b"fanfold").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
