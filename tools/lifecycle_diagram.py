"""Draws the life of a job from its table of moves; a test compares the committed picture with the table.

.venv/bin/python tools/lifecycle_diagram.py
"""

from collections.abc import Iterator
from pathlib import Path

from fanfold.jobs.lifecycle import ACTIVE, MOVES, Move
from fanfold.jobs.models import JobState

PICTURE = Path(__file__).parent.parent / "docs" / "explanation" / "life-of-a-job.svg"

STATES = list(JobState)
ROAD = [state for state in STATES if state is not JobState.FAILED]
BOX_WIDTH, BOX_HEIGHT, STEP = 170, 32, 68
LEFT, TOP = 90, 24
BRACKET, FAILED_LEFT = LEFT + BOX_WIDTH + 150, LEFT + BOX_WIDTH + 230
NOTES_LEFT = FAILED_LEFT
WIDTH, HEIGHT = FAILED_LEFT + 280, TOP + STEP * (len(ROAD) - 1) + BOX_HEIGHT + 24

STYLE = """<style>
  text { font: 13px sans-serif; fill: #222 }
  .event { font-style: italic; fill: #444 }
  .state { fill: #eef3fb; stroke: #4a6fa5 }
  .end { fill: #f3f3f3; stroke: #777 }
  path { fill: none; stroke: #555; marker-end: url(#tip) }
  path.plain { marker-end: none }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
  <polygon points="0 0 8 4 0 8" fill="#555"/></marker></defs>"""


def top_of(state: JobState) -> int:
    """Where a state's box begins; FAILED stands beside the middle of the road."""
    if state is JobState.FAILED:
        return (top_of(min(ACTIVE, key=STATES.index)) + top_of(max(ACTIVE, key=STATES.index))) // 2
    return TOP + STEP * ROAD.index(state)


def left_of(state: JobState) -> int:
    """Where a state's box begins from the left."""
    return FAILED_LEFT if state is JobState.FAILED else LEFT


def text(left: int, top: int, words: str, kind: str = "") -> str:
    """A line of text."""
    return f'<text x="{left}" y="{top}"{kind and f" class={kind!r}"}>{words}</text>'.replace("'", '"')


def box(state: JobState) -> str:
    """A state."""
    left, top = left_of(state), top_of(state)
    kind = "state" if state in ACTIVE else "end"
    name = state.value.removeprefix("JOB_STATE_")
    shape = f'<rect class="{kind}" x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    return f"{shape}\n{text(left + 14, top + 21, name)}"


def forward(name: str, source: JobState, target: JobState) -> str:
    """An event that leads down the road."""
    middle = LEFT + BOX_WIDTH // 2
    begin, end = top_of(source) + BOX_HEIGHT, top_of(target)
    arrow = f'<path d="M {middle} {begin} V {end}"/>'
    return f"{arrow}\n{text(middle + 10, (begin + end) // 2 + 5, name, 'event')}"


def to_failed(names: list[str], sources: frozenset[JobState]) -> str:
    """Events that end every one of some states."""
    tops = [top_of(state) + BOX_HEIGHT // 2 for state in sorted(sources, key=STATES.index)]
    middle = top_of(JobState.FAILED) + BOX_HEIGHT // 2
    lines = [f'<path class="plain" d="M {LEFT + BOX_WIDTH} {top} H {BRACKET}"/>' for top in tops]
    lines.append(f'<path class="plain" d="M {BRACKET} {tops[0]} V {tops[-1]}"/>')
    lines.append(f'<path d="M {BRACKET} {middle} H {FAILED_LEFT}"/>')
    lines += [text(BRACKET + 8, middle - 8 - 18 * row, name, "event") for row, name in enumerate(reversed(names))]
    return "\n".join(lines)


def back(name: str, source: JobState, target: JobState) -> str:
    """An event that leads back: round the left side, or over the top from FAILED."""
    end = top_of(target) + BOX_HEIGHT // 2
    if source is JobState.FAILED:
        right, over = FAILED_LEFT + BOX_WIDTH // 2, top_of(target) - 16
        way = f"M {right} {top_of(source)} V {over} H {LEFT + BOX_WIDTH + 24} V {end - 8} H {LEFT + BOX_WIDTH}"
        arrow = f'<path d="{way}"/>'
        return f"{arrow}\n{text(right - 118, over - 8, name, 'event')}"
    begin = top_of(source) + BOX_HEIGHT // 2
    arrow = f'<path d="M {LEFT} {begin} H {LEFT - 30} V {end} H {LEFT}"/>'
    place = f'transform="rotate(-90 {LEFT - 38} {(begin + end) // 2})"'
    return f"{arrow}\n{text(LEFT - 38, (begin + end) // 2, name, 'event').replace('<text', f'<text {place}', 1)}"


def arrows() -> Iterator[str]:
    """Every move that enters a state."""
    ends: dict[frozenset[JobState], list[str]] = {}
    for event, move in MOVES.items():
        if move.target is None:
            continue
        if move.target is JobState.FAILED:
            ends.setdefault(move.sources, []).append(event.__name__)
            continue
        for source in sorted(move.sources, key=STATES.index):
            draw = forward if STATES.index(move.target) == STATES.index(source) + 1 else back
            yield draw(event.__name__, source, move.target)
    yield from (to_failed(names, sources) for sources, names in ends.items())


def said(move: Move) -> str:
    """The states of an event that does not move a job, in words."""
    if move.sources == frozenset(JobState):
        return "every state"
    if move.sources == ACTIVE:
        return "unfinished"
    return ", ".join(state.word for state in sorted(move.sources, key=STATES.index))


def notes() -> Iterator[str]:
    """Every event that changes a job without moving it, and where it may come."""
    staying = [(event.__name__, move) for event, move in MOVES.items() if move.target is None]
    top = HEIGHT - 24 - 19 * len(staying)
    yield text(NOTES_LEFT, top, "Change a job without moving it:")
    for row, (name, move) in enumerate(staying, 1):
        yield text(NOTES_LEFT, top + 19 * row, name, "event")
        yield text(NOTES_LEFT + 90, top + 19 * row, said(move))


def picture() -> str:
    """The whole picture, as SVG."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    parts = [STYLE, ground, *arrows(), *(box(state) for state in STATES), *notes()]
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
