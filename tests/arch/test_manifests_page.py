"""The page about manifests has a row for every key, and the limits that the code has."""

import re

import pytest

from fanfold.archives import MAX_PATH_BYTES, USUAL
from fanfold.jobs.blocks import _Reader
from fanfold.jobs.params import MAX_SCHEMA_BYTES
from fanfold.jobs.templates import _KEYS, MAX_DESCRIPTION, snake
from tests.arch.source import ROOT

REFERENCE = ROOT / "docs" / "reference"


def named(page: str) -> set[str]:
    """The keys that open the rows of a page's tables."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (REFERENCE / page).read_text(), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"\w+", row)}


def test_every_key_of_a_manifest_has_its_row_and_no_row_is_stale() -> None:
    assert named("manifests.md") == _Reader.KEYS | _Reader.PLATFORM_KEYS | _Reader.DEVICE_KEYS


def test_every_key_of_a_template_has_its_row_and_no_row_is_stale() -> None:
    assert {snake(key) for key in named("templates.md")} == _KEYS


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("manifests.md", f"{USUAL.entries:,}"),
        ("manifests.md", f"{USUAL.size_bytes // 1024**2} MiB, and {USUAL.ratio} bytes for each byte"),
        ("manifests.md", f"over {MAX_PATH_BYTES} bytes"),
        ("manifests.md", f"at most {MAX_SCHEMA_BYTES // 1024} KiB"),
        ("templates.md", f"at most {MAX_DESCRIPTION:,} letters"),
    ],
)
def test_limits_are_told_as_the_code_has_them(page: str, said: str) -> None:
    assert said in (REFERENCE / page).read_text()
