"""Secrets as values: what kinds there are, how programs see them, and how their values are kept out of texts. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ID_PATTERN = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
"""Ids begin with a letter, so that each makes the name of an environment variable."""

OWN_PREFIX = "job:"
"""What ids of credentials begin with that were given inside a job; ids of people's secrets cannot."""

MASK = "***"
SHORTEST_MASKED = 6
"""Shorter values would mask ordinary words everywhere."""

BASE64_WIDTHS = (64, 76)
"""Where base64 is wrapped: in PEM, and in MIME (RFC 2045), as base64(1) does."""

HEX_WIDTHS = (60,)
"""Where xxd(1) wraps hex."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


class SecretType(StrEnum):
    """What a secret is for; all but `other` are pairs of an access key and a secret key."""

    AWS = "aws"
    GCP = "gcp"
    STORJ = "storj"
    WASABI = "wasabi"
    BACKBLAZE = "backblaze"
    S3_COMPATIBLE = "s3-compatible"
    OTHER = "other"


ALIASES: Mapping[str, SecretType] = {"s3": SecretType.AWS}


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret with its value. It is made where it is used and never stored, logged or shown."""

    id: str
    type: SecretType
    access_key: str
    secret_key: str = field(repr=False)


def environment_name(secret_id: str) -> str:
    """The start of the variables' names for an id: upper case, `-` as `_`."""
    return secret_id.upper().replace("-", "_")


def environment_names(secret_id: str) -> tuple[str, str, str]:
    """The variables that a secret may be given in: access key, secret key, and the one of type `other`."""
    name = environment_name(secret_id)
    return f"{name}_ACCESS_KEY", f"{name}_SECRET_KEY", name


_TAKEN = frozenset({"PATH", "LANG", "HOME", "TMPDIR", "IFS", "ENV", "BASH_ENV", "SHELL"})
_TAKEN_STARTS = ("FANFOLD_", "LD_", "PYTHON", "GCONV_", "MALLOC_")
_FOLDERS_AND_PARAMS = re.compile("[A-Z_]*_(DIR|PARAMS)")


def taken_name(secret_id: str) -> str:
    """The first variable of a secret whose name programs and their loaders use otherwise; "" where there is none."""
    single = environment_name(secret_id)
    taken = single in _TAKEN or single.startswith(_TAKEN_STARTS) or _FOLDERS_AND_PARAMS.fullmatch(single)
    return single if taken else ""


def environment_of(credential: Credential) -> dict[str, str]:
    """The variables that a program gets for a secret."""
    access, secret, single = environment_names(credential.id)
    if credential.type is SecretType.OTHER:
        return {single: credential.secret_key}
    return {access: credential.access_key, secret: credential.secret_key}


class Masker:
    """Replaces values by `***` wherever a text holds them: plain, in base64 at any offset, URL-encoded, in hex, and as
    JSON and Python escape them. `longest` is the most bytes that a spelling has."""

    def __init__(self, values: Iterable[str]) -> None:
        spellings = {spelling for value in values for spelling in spellings_of(value)}
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        encoded = [spelling.encode("utf-8", "surrogatepass") for spelling in longest_first]
        self._pattern = re.compile("|".join(re.escape(spelling) for spelling in longest_first)) if spellings else None
        self._of_bytes = re.compile(b"|".join(re.escape(spelling) for spelling in encoded)) if spellings else None
        self._encoded = encoded
        self.longest = max((len(spelling) for spelling in encoded), default=0)

    def __repr__(self) -> str:
        return "Masker()"

    def __call__(self, text: str) -> str:
        """The text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def of_bytes(self, data: bytes) -> bytes:
        """The same for text in UTF-8, of which only a part may be well-formed."""
        return data if self._of_bytes is None else self._of_bytes.sub(MASK.encode(), data)

    def begun(self, data: bytes) -> int:
        """How many bytes at the end of a text may be the beginning of a value."""
        end = data[-self.longest :] if self.longest else b""
        return max((_overlap(end, spelling) for spelling in self._encoded), default=0)


def _overlap(end: bytes, spelling: bytes) -> int:
    lengths = range(min(len(end), len(spelling) - 1), 0, -1)
    return next((length for length in lengths if end.endswith(spelling[:length])), 0)


def spellings_of(value: str) -> frozenset[str]:
    """How a value may stand in a text; none for one that is too short to be told from ordinary words. A value of
    several lines is looked for line by line, since logs are."""
    whole = {value, *value.splitlines()}
    return frozenset(
        spelling
        for part in whole
        for spelling in _spellings(part)
        if len(part) >= SHORTEST_MASKED and len(spelling) >= SHORTEST_MASKED
    )


def _spellings(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogatepass")
    escaped = json.dumps(value)[1:-1]
    percent = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data)
    plus = percent.replace("%20", "+")
    found = {
        value,
        escaped,
        json.dumps(value, ensure_ascii=False)[1:-1],
        escaped.replace("/", "\\/"),
        repr(value)[1:-1],
    }
    found |= {percent, percent.replace("%2F", "/"), plus, _lower_percent(percent), _lower_percent(plus)}
    found |= {data.hex(), data.hex().upper(), *_wrapped(data.hex(), HEX_WIDTHS)}
    return found | _base64(data)


def _lower_percent(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), text)


def _base64(data: bytes) -> set[str]:
    """The letters that stand for the value and nothing else, wherever it begins within a longer text."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        begin = -(-before * 8 // 6)
        end = (before + len(data)) * 8 // 6
        inner = text[begin:end]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
        found |= _wrapped(inner, BASE64_WIDTHS) if before == 0 else set()
    return found


def _wrapped(text: str, widths: Iterable[int]) -> set[str]:
    """The lines that programs which wrap at a width make of a text."""
    return {text[start : start + width] for width in widths for start in range(0, len(text), width)}
