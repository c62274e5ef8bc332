"""The pictures of a job: what is sent is right, and bounded however many attempts there are."""

import json
import random

from fanfold.console.pictures import MOST_LANES, drawn
from fanfold.ports.spans import Span

SECOND = 1_000_000


def a_span(index: int, begin: float, end: float | None, how: str = "Succeeded", runner: str = "local-0") -> Span:
    ended = None if end is None else int(end * SECOND)
    return Span(index, 1, runner, int(begin * SECOND), int((begin + 0.5) * SECOND), ended, how)


def test_long_attempts_are_bars_with_their_parts() -> None:
    spans = [a_span(0, 100, 110), a_span(1, 110, 120, "ProgramFailed"), a_span(2, 120, None, "")]
    found = drawn(spans, 130 * SECOND, None, None, 100)
    (lane,) = found["lanes"]
    assert lane["bars"] == [
        [0, 500, -1, 10_000, 0, 0, 1],
        [10_000, 10_500, -1, 20_000, 1, 1, 1],
        [20_000, 20_500, -1, 30_000, 3, 2, 1],
    ]
    assert (found["from"], found["to"]) == (100_000, 130_000)


def test_a_bar_tells_when_its_program_was_over() -> None:
    spans = [
        a_span(0, 0, 10)._replace(ran=7 * SECOND),
        a_span(1, 0, 10)._replace(ran=70 * SECOND),
        a_span(2, 0, 10)._replace(started=None, ran=SECOND),
    ]
    (lane,) = drawn(spans, 10 * SECOND, None, None, 100)["lanes"]
    assert [bar[:4] for bar in lane["bars"]] == [[0, 500, 7500, 10_000], [0, 500, 10_000, 10_000], [0, -1, -1, 10_000]]


def test_attempts_that_no_runner_has_yet_are_a_line_of_their_own() -> None:
    found = drawn([a_span(0, 0, None, "", ""), a_span(1, 0, 2)], 3 * SECOND, None, None, 100)
    assert [(lane["name"], lane["runner"]) for lane in found["lanes"]] == [("next in line", False), ("local-0", True)]


def test_short_attempts_are_counted() -> None:
    spans = [
        a_span(index, index / 10, index / 10 + 0.01, "Succeeded" if index % 10 else "OutOfMemory")
        for index in range(1000)
    ]
    found = drawn(spans, 200 * SECOND, None, None, 100)
    (lane,) = found["lanes"]
    assert lane["bars"] == []
    assert sum(count for _, count, _ in lane["cells"]) == 1000
    assert sum(failed for _, _, failed in lane["cells"]) == 100


def test_a_part_of_the_time_shows_more_of_less() -> None:
    spans = [a_span(index, index, index + 0.9) for index in range(1000)]
    whole, part = drawn(spans, 0, None, None, 100), drawn(spans, 0, 500 * SECOND, 510 * SECOND, 100)
    assert whole["lanes"][0]["bars"] == []
    assert [bar[5] for bar in part["lanes"][0]["bars"]] == list(range(500, 511))


def test_a_hundred_thousand_attempts_on_many_runners_stay_under_a_megabyte() -> None:
    chance = random.Random(7)
    spans = []
    for index in range(100_000):
        begin = chance.uniform(0, 100_000)
        how = chance.choice(["Succeeded", "Succeeded", "ProgramFailed", "Aborted"])
        spans.append(a_span(index, begin, begin + chance.expovariate(1 / 200), how, f"node-{chance.randrange(200)}"))
    found = drawn(spans, 200_000 * SECOND, None, None, 4000)
    assert len(found["lanes"]) == MOST_LANES + 1
    assert len(json.dumps(found)) < 1_000_000
    assert found["attempts"] == 100_000


def test_durations_and_throughput_count_every_program_once() -> None:
    spans = [
        a_span(index, index, index + 1 + index % 7, "Succeeded" if index % 5 else "ProgramFailed")
        for index in range(500)
    ]
    spans.append(a_span(500, 0, 900, "Aborted"))
    found = drawn(spans, 0, None, None, 500)
    assert sum(found["durations"]["good"]) == 400
    assert sum(found["durations"]["bad"]) == 100
    rate = found["throughput"]
    step = rate["times"][1] - rate["times"][0]
    assert round(sum(rate["good"]) * step) == 400


def test_nothing_gives_empty_pictures() -> None:
    found = drawn([], 5 * SECOND, None, None, 100)
    assert found["lanes"] == []
    assert found["throughput"]["times"] == []
    assert found["durations"]["median"] is None


def test_silly_ranges_do_no_harm() -> None:
    spans = [a_span(0, 1, 2)]
    for start, end in ((10**17, 0), (0, 10**17), (5, 5), (None, 0)):
        assert len(json.dumps(drawn(spans, 3 * SECOND, start, end, 0))) < 5000
