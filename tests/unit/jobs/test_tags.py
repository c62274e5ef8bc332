"""Tags name blocks; versions compare as numbers."""

import pytest

from fanfold.errors import BadInput
from fanfold.jobs.tags import Tag, parse_tag, version_key

VERSIONS = ["0.9", "0.10", "1.0", "1.2", "1.10", "2.0"]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("word-count", Tag("word-count")),
        ("word-count@1", Tag("word-count", 1)),
        ("word-count@0.2", Tag("word-count", 0, 2)),
        ("word-count@v0.2", Tag("word-count", 0, 2)),
        ("word-count@v1", Tag("word-count", 1)),
    ],
)
def test_a_tag_is_a_name_with_as_much_of_a_version_as_is_meant(text: str, tag: Tag) -> None:
    assert parse_tag(text) == tag
    assert parse_tag(str(tag)) == tag


@pytest.mark.parametrize(
    "text",
    ["", "@1", "a@", "a@1.", "a@.1", "a@1.2.3", "a@x", "a@-1", "../a", "a b", "a\n", "a@1\n", "a" * 65, "ä", "a@v"],
)
def test_what_is_no_tag_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(BadInput, match=r"a tag is 'name', 'name@major' or 'name@major\.minor'"):
        parse_tag(text)


@pytest.mark.parametrize(
    ("tag", "best"), [("a", "2.0"), ("a@1", "1.10"), ("a@0", "0.10"), ("a@1.2", "1.2"), ("a@3", None), ("a@1.3", None)]
)
def test_a_tag_means_the_highest_version_it_covers(tag: str, best: str | None) -> None:
    assert parse_tag(tag).best(VERSIONS) == best
    assert parse_tag(tag).best(reversed(VERSIONS)) == best


def test_versions_compare_as_numbers() -> None:
    assert version_key("0.10") > version_key("0.9")
    assert sorted(["0.10", "0.9", "1.0"], key=version_key) == ["0.9", "0.10", "1.0"]
