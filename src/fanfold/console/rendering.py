"""From templates to markup; whatever a value holds, it is shown as text."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fanfold import __version__
from fanfold.console import words
from fanfold.console.said import SAID


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("fanfold.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "size": words.size,
        "span": words.span,
        "count": words.count,
        "stamp": words.stamp,
        "iso": words.iso,
        "ago": words.ago,
        "clock": words.clock,
        "percent": words.percent,
        "short": words.short,
        "plain": words.plain,
        "pretty": pretty,
        "from_json": shown_choice,
    }
    made.globals |= {"version": __version__, "look_of": words.look_of, "said": SAID, "prefix": "/console"}
    return made


def rendered(name: str, **values: Any) -> str:
    """A template with its values."""
    return _environment().get_template(name).render(values)


def pretty(value: object) -> str:
    """JSON to be read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def shown_choice(text: str) -> str:
    """A choice of a form, kept as JSON, as its field has it."""
    value = json.loads(text)
    return value if isinstance(value, str) else text
