"""Tags: how a block is named. `name@major.minor` is exact, `name@major` its highest minor, `name` the highest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fanfold.errors import BadInput, Problem

NAME_PATTERN = r"[A-Za-z0-9_-]{1,64}"
VERSION_PATTERN = r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
_TAG = re.compile(rf"(?P<name>{NAME_PATTERN})(@v?(?P<major>[0-9]{{1,9}})(\.(?P<minor>[0-9]{{1,9}}))?)?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A parsed tag; `major` and `minor` are None where the tag leaves them open."""

    name: str
    major: int | None = None
    minor: int | None = None

    def __str__(self) -> str:
        version = "" if self.major is None else f"@{self.major}" + ("" if self.minor is None else f".{self.minor}")
        return f"{self.name}{version}"

    def covers(self, version: str) -> bool:
        """Whether a version, "major.minor", fits the tag."""
        major, minor = version_key(version)
        return self.major in (None, major) and self.minor in (None, minor)

    def best(self, versions: Iterable[str]) -> str | None:
        """The highest version that fits, compared as numbers; None where none does."""
        return max((version for version in versions if self.covers(version)), key=version_key, default=None)


def parse_tag(text: str) -> Tag:
    """Read a tag; raises BadInput naming what was found."""
    found = _TAG.fullmatch(text)
    if not found:
        form = "a tag is 'name', 'name@major' or 'name@major.minor', such as 'word-count@0.1'"
        raise BadInput("bad tag", [Problem("", f"found {text[:100]!r}; {form}")])
    major, minor = found["major"], found["minor"]
    return Tag(found["name"], None if major is None else int(major), None if minor is None else int(minor))


def version_key(version: str) -> tuple[int, int]:
    """A version as numbers, so that 0.10 comes after 0.9."""
    major, _, minor = version.partition(".")
    return int(major), int(minor)
