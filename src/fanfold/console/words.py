"""Figures, times and states as a person reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(value: float | None) -> str:
    """Bytes: "1.4 MiB"."""
    if value is None:
        return "–"
    number, unit = float(value), 0
    while number >= 1024 and unit < len(_SIZES) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {_SIZES[unit]}" if unit == 0 or number >= 100 else f"{number:.1f} {_SIZES[unit]}"


def span(seconds: float | None) -> str:
    """A duration with two figures: "340 ms", "12.4 s", "3 min 5 s", "2 h 10 min", "4 d 3 h"."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for large, small, names in ((86400, 3600, "d h"), (3600, 60, "h min"), (60, 1, "min s")):
        if whole >= large:
            first, second = names.split()
            rest = whole % large // small
            return f"{whole // large} {first}" + (f" {rest} {second}" if rest else "")
    return f"{whole} s"


def count(value: float | None) -> str:
    """A whole number in groups of three, by a narrow space."""
    return "–" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def percent(part: float, whole: float) -> str:
    """A share; never "100%" before all is there."""
    if not whole:
        return "0%"
    share = 100 * part / whole
    return "99.9%" if 99.95 <= share < 100 else f"{share:.0f}%" if share >= 10 or share == 0 else f"{share:.1f}%"


def iso(at: datetime | None) -> str:
    """A time as machines read it."""
    return "" if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp(at: datetime | None) -> str:
    """A time to the second."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def ago(at: datetime | None, now: datetime) -> Markup | str:
    """How long ago a time was, or in how long it will be; the exact time is one look away, and scripts keep it true."""
    if at is None:
        return "–"
    seconds = (now - at).total_seconds()
    told = "now" if abs(seconds) < 1 else f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"
    if abs(seconds) >= 1:
        told = _rough(told)
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(iso(at), stamp(at), told)


def _rough(told: str) -> str:
    """The larger figure alone: "3 min ago"."""
    parts = told.split()
    inward = parts[0] == "in"
    number, unit = parts[1:3] if inward else parts[:2]
    if unit == "ms":
        return "now"
    whole = f"{float(number):.0f} {unit}"
    return f"in {whole}" if inward else f"{whole} ago"


def short(text: str, most: int = 80) -> str:
    """The beginning of a long text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plain(text: str, most: int = 20_000) -> Markup:
    """Text of programs and strangers: controls, and what turns the direction of writing, made visible; cut where it is
    longer than a page can show."""
    seen = _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text[:most])
    cut = f" … and {count(len(text) - most)} characters more" if len(text) > most else ""
    return Markup("{}{}").format(escape(seen), cut)


_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but for line ends and tabs, what turns the direction of writing, halves of characters."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a word, a sign of its own shape, and a tone."""

    word: str
    sign: str
    tone: str


_LOOKS = {
    "JOB_STATE_NEW": Look("draft", "○", "still"),
    "JOB_STATE_STARTED": Look("started", "◔", "run"),
    "JOB_STATE_UPLOADING": Look("uploading", "◔", "run"),
    "JOB_STATE_PARTITIONING": Look("partitioning", "◑", "run"),
    "JOB_STATE_PARTITIONED": Look("partitioned", "▶", "run"),
    "JOB_STATE_TASKS_COMPLETED": Look("tasks completed", "◕", "run"),
    "JOB_STATE_MERGING": Look("merging", "◕", "run"),
    "JOB_STATE_MERGED": Look("merged", "◕", "run"),
    "JOB_STATE_DOWNLOADING": Look("downloading", "◕", "run"),
    "JOB_STATE_COMPLETE": Look("complete", "✓", "good"),
    "JOB_STATE_FAILED": Look("failed", "✕", "bad"),
    "TASK_STATE_SCHEDULED": Look("waiting", "○", "still"),
    "TASK_STATE_ASSIGNED": Look("assigned", "◔", "run"),
    "TASK_STATE_RECEIVED": Look("received", "◑", "run"),
    "TASK_STATE_RUNNING": Look("running", "▶", "run"),
    "TASK_STATE_COMPLETED": Look("completed", "✓", "good"),
    "TASK_STATE_FAILED": Look("failed", "✕", "bad"),
    "TASK_STATE_ABORTED": Look("aborted", "■", "still"),
    "active": Look("active", "●", "good"),
    "inactive": Look("inactive", "○", "still"),
}


def look_of(state: str) -> Look:
    """How a state of a job, a task or a block is shown."""
    return _LOOKS.get(str(state), Look(str(state), "·", "still"))


def clock(at: datetime) -> Markup:
    """The time of day; the whole time is one look away, and scripts show it in the reader's own zone."""
    return Markup('<time datetime="{}" title="{}" data-clock>{}</time>').format(iso(at), stamp(at), f"{at:%H:%M:%S}")
