"""The packages a block asks for: names with versions, as PEP 508 writes them. Nothing that names a place.

A requirement that names a URL, a path or an option would have the machine fetch or build what its index does not hold.
"""

from __future__ import annotations

import re

FILE = "requirements.txt"
MOST = 500
LONGEST = 500
EXPECTED = 'a package of an index, such as "numpy>=2", without URL, path or option'

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\])?"
_VERSION = r"(?:~=|===|==|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_MARKER = r"""(?:\s*;[A-Za-z0-9_.'"()<>=!~ ,*+-]+)?"""
_REQUIREMENT = re.compile(rf"{_NAME}{_EXTRAS}(?:\s*{_VERSION}(?:\s*,\s*{_VERSION})*)?{_MARKER}")


def is_requirement(text: str) -> bool:
    """Whether a text asks for a package of an index and for nothing else."""
    return len(text) <= LONGEST and _REQUIREMENT.fullmatch(text) is not None


def listed_in(text: str) -> list[str]:
    """The lines of a requirements file that say something, without comments."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]
