"""Figures and texts as a person reads them."""

from datetime import timedelta

import pytest

from fanfold.console.words import ago, count, percent, plain, size, span
from tests.values import NOON


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.34, "340 ms"),
        (12.44, "12.4 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (3600, "1 h"),
        (356_400, "4 d 3 h"),
    ],
)
def test_durations_have_two_figures(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_times_are_told_by_how_long_ago_they_were() -> None:
    told = {seconds: ago(NOON - timedelta(seconds=seconds), NOON) for seconds in (0, 5, 185, 90_000, -60)}
    assert [str(text).partition(">")[2].removesuffix("</time>") for text in told.values()] == [
        "now",
        "5 s ago",
        "3 min ago",
        "1 d ago",
        "in 1 min",
    ]


def test_sizes_counts_and_shares() -> None:
    assert (size(0), size(1536), size(5 * 1024**3)) == ("0 B", "1.5 KiB", "5.0 GiB")
    assert count(1234567) == "1\u202f234\u202f567"
    assert (percent(0, 0), percent(1, 3), percent(99_999, 100_000)) == ("0%", "33%", "99.9%")


def test_a_text_is_shown_as_text_with_what_hides_made_visible() -> None:
    assert plain("<b>&\"'</b>") == "&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;"
    assert plain("a\u202egnp.exe") == "a⟨U+202E⟩gnp.exe"
    assert plain("\x1b[31mred\x00") == "⟨U+001B⟩[31mred⟨U+0000⟩"
    assert plain("\ud800") == "⟨U+D800⟩"
    assert plain("one\n\ttwo") == "one\n\ttwo"


def test_a_megabyte_of_text_is_cut() -> None:
    told = str(plain("x" * 1_000_000, 100))
    assert len(told) < 200
    assert "999\u202f900 characters more" in told
