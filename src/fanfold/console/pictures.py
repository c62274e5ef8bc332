"""A job's attempts as pictures: the time line by runner, the histogram of durations, the throughput. However many
attempts there are, what is sent to a browser is bounded: bars that would be narrower than two points of the screen are
counted instead."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fanfold.ports.spans import Span

MOST_LANES = 64
MOST_CELLS = 16_000
"""Lanes times columns."""

BINS = 40
POINTS = 240
UNPLACED = "next in line"
"""Attempts that wait at a machine for a free runner."""

GOOD, STOPPED = "Succeeded", "Aborted"
MS = 1000


@dataclass(slots=True)
class _Lane:
    name: str
    bars: list[list[int]] = field(default_factory=list)
    cells: dict[int, list[int]] = field(default_factory=dict)


def drawn(spans: Iterable[Span], now: int, start: int | None, end: int | None, columns: int) -> dict[str, Any]:
    """All pictures of a job between two moments (microseconds since 1970; None: from the first to the last).

    Times in the answer are milliseconds after `from`. A bar is [begin, program's begin or -1, its end or -1, end, kind,
    chunk, attempt], with the kinds 0 succeeded, 1 failed, 2 stopped, 3 under way; a cell is [column, attempts, failed
    ones].
    """
    known = [span for span in spans if span.assigned is not None]
    first = min((span.assigned or 0 for span in known), default=now)
    last = max((span.ended or now for span in known), default=now)
    begin, until = start if start is not None else first, end if end is not None else max(last, first + MS)
    until = max(until, begin + MS)
    names = sorted({span.runner for span in known})
    kept = {name: _Lane(name or UNPLACED) for name in names[:MOST_LANES]}
    others = _Lane(f"{len(names) - MOST_LANES} more")
    columns = max(50, min(columns, MOST_CELLS // max(1, min(len(names), MOST_LANES + 1))))
    width = (until - begin) / columns
    for span in known:
        if (span.ended or now) >= begin and (span.assigned or 0) <= until:
            _draw(kept.get(span.runner, others), span, now, begin, width)
    lanes = [*kept.values(), *([others] if len(names) > MOST_LANES else [])]
    return {
        "from": begin // MS,
        "to": until // MS,
        "first": first // MS,
        "last": last // MS,
        "attempts": len(known),
        "columns": columns,
        "lanes": [
            {"name": lane.name, "runner": lane.name != UNPLACED, "bars": lane.bars, "cells": _flat(lane.cells)}
            for lane in lanes
        ],
        "durations": _durations(known),
        "throughput": _throughput(known, first, last),
    }


def _flat(cells: dict[int, list[int]]) -> list[list[int]]:
    return [[column, *counts] for column, counts in sorted(cells.items())]


def _kind(span: Span) -> int:
    return {"": 3, GOOD: 0, STOPPED: 2}.get(span.how, 1)


def _draw(lane: _Lane, span: Span, now: int, begin: int, width: float) -> None:
    assigned, ended = span.assigned or 0, span.ended or now
    kind = _kind(span)
    if ended - assigned >= 2 * width:
        program = -1 if span.started is None else (span.started - begin) // MS
        over = -1 if span.started is None or not span.ran else (min(ended, span.started + span.ran) - begin) // MS
        times = [(assigned - begin) // MS, program, over, (ended - begin) // MS]
        lane.bars.append([*times, kind, span.chunk, span.attempt])
        return
    cell = lane.cells.setdefault(max(0, int((assigned - begin) / width)), [0, 0])
    cell[0] += 1
    cell[1] += kind == 1


def _durations(spans: list[Span]) -> dict[str, Any]:
    """How long programs ran, by equal steps up to the longest; failed ones apart. Edges in seconds."""
    took = [
        (max(0, span.ended - span.started), _kind(span) == 1)
        for span in spans
        if span.ended is not None and span.started is not None and span.how != STOPPED
    ]
    if not took:
        return {"step": 0, "good": [], "bad": [], "median": None, "p95": None, "longest": None}
    lengths = sorted(length for length, _ in took)
    step = _round_up(max(lengths[-1], MS) / BINS)
    good, bad = [0] * BINS, [0] * BINS
    for length, failed in took:
        (bad if failed else good)[min(BINS - 1, int(length / step))] += 1
    used = max(place for place in range(BINS) if good[place] or bad[place]) + 1
    return {
        "step": step / 1e6,
        "good": good[:used],
        "bad": bad[:used],
        "median": lengths[len(lengths) // 2] / 1e6,
        "p95": lengths[min(len(lengths) - 1, int(len(lengths) * 0.95))] / 1e6,
        "longest": lengths[-1] / 1e6,
    }


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 with a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= value)


def _throughput(spans: list[Span], first: int, last: int) -> dict[str, Any]:
    """Ended attempts a second, over time."""
    ended = [(span.ended, _kind(span) == 1) for span in spans if span.ended is not None and span.how != STOPPED]
    if not ended:
        return {"times": [], "good": [], "bad": []}
    step = max((last - first) / POINTS, 100 * MS)
    count = int((last - first) / step) + 1
    good, bad = [0] * count, [0] * count
    for at, failed in ended:
        (bad if failed else good)[min(count - 1, max(0, int((at - first) / step)))] += 1
    rate = 1e6 / step
    return {
        "times": [round((first + (place + 0.5) * step) / 1e6, 3) for place in range(count)],
        "good": [round(number * rate, 3) for number in good],
        "bad": [round(number * rate, 3) for number in bad],
    }
