"""Checksums that come with a body: the SHA-256 of `Content-Digest` and `Repr-Digest` (RFC 9530)."""

from __future__ import annotations

import base64
import re

from fastapi import Request

from fanfold.errors import BadInput, Problem

HEADERS = ("Content-Digest", "Repr-Digest")
_MEMBER = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):(?:;[^,]*)?")


def sha256_of(request: Request) -> dict[str, str]:
    """The SHA-256 in hex that each header says, the last where it says several; other algorithms are passed over.

    Raises BadInput for a digest that cannot be one.
    """
    found = {}
    for name in HEADERS:
        for member in ",".join(request.headers.getlist(name)).split(","):
            text = member.strip()
            if not text.startswith("sha-256"):
                continue
            match = _MEMBER.fullmatch(text)
            if match is None:
                reason = f"found {text[:100]!r}, expected sha-256=:BASE64: with the base64 of 32 bytes"
                raise BadInput("the checksum is not right", [Problem(name, reason)])
            found[name] = base64.b64decode(match[1]).hex()
    return found
