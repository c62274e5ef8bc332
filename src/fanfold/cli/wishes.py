"""What a person wrote on the command line, read into a job's fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fanfold.errors import BadInput, NotFound, Problem
from fanfold.jobs.models import BlockTags, DataRef, JobConfig, JobParams, Role

ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `fanfold run`."""

    inputs: tuple[Path, ...]
    app: str
    template: Path | None
    output: Path
    partitioner: str
    assembler: str
    params: tuple[str, ...]
    resume: bool
    force: bool
    slots: int | None
    python: str | None
    max_attempts: int | None
    max_failed: str
    task_timeout_s: float | None
    job_timeout_s: float | None
    canary: int
    sample: int
    seed: int
    as_json: bool
    quiet: bool


def draft_of(wish: Wish) -> dict[str, Any]:
    """The Job fields of a new run; raises BadInput that names every mistake."""
    template = _template(wish.template)
    tags = _tags(wish, template)
    return {
        "name": f"{Path(tags.app).stem or tags.app} to {wish.output.name}",
        "tags": tags,
        "params": params_of(wish.params, template.get("params", {})),
        "config": _config(wish),
        "data_source": _source(wish.inputs),
        "data_destination": DataRef("local", {"path": str(wish.output.absolute())}),
    }


def _template(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise NotFound(f"there is no template file '{path}'") from err
    except ValueError as err:
        raise BadInput(f"the template '{path}' is not JSON: {err}") from err
    if not isinstance(data, dict) or not isinstance(data.get("app"), str):
        raise BadInput(f"the template '{path}' is not an object with the tag of an 'app'")
    near = path.parent / data["app"].partition("@")[0]
    own = path.parent if (path.parent / "manifest.json").is_file() else near
    return data | ({"app": str(own)} if (own / "manifest.json").is_file() else {})


def _tags(wish: Wish, template: Mapping[str, Any]) -> BlockTags:
    app = wish.app or template.get("app", "")
    if not app:
        raise BadInput("say what to run on every chunk: --app with a folder, a script or a tag (or --template)")
    return BlockTags(
        app=app,
        partitioner=wish.partitioner or template.get("partitioner") or "passthrough",
        assembler=wish.assembler or template.get("assembler") or "passthrough",
    )


def params_of(given: Sequence[str], defaults: Mapping[str, Any]) -> JobParams:
    """`role.key=value` texts over a template's params. A value is JSON where it reads as JSON, else a text."""
    params: dict[str, dict[str, Any]] = {role: dict(defaults.get(role, {})) for role in ROLES}
    problems = []
    for text in given:
        name, equals, value = text.partition("=")
        role, dot, key = name.partition(".")
        if role not in ROLES or not dot or not key or not equals:
            problems.append(Problem(f"-p {text}", "expected ROLE.KEY=VALUE with a role of " + ", ".join(ROLES)))
        else:
            _set(params[role], key.split("."), value_of(value))
    if problems:
        raise BadInput("the params are not right", problems)
    return JobParams(params["partitioner"], params["app"], params["assembler"])


def _set(target: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = target.get(key)
        target[key] = dict(inner) if isinstance(inner, dict) else {}
        target = target[key]
    target[path[-1]] = value


def value_of(text: str) -> Any:
    """A param's value: JSON where it reads as JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _config(wish: Wish) -> JobConfig:
    config = JobConfig(canary=wish.canary, sample=wish.sample, sample_seed=wish.seed)
    if wish.max_attempts is not None:
        config = replace(config, max_attempts=wish.max_attempts)
    if wish.task_timeout_s is not None:
        config = replace(config, task_timeout_s=wish.task_timeout_s)
    if wish.job_timeout_s is not None:
        config = replace(config, job_timeout_s=wish.job_timeout_s)
    number, percent = wish.max_failed.removesuffix("%"), wish.max_failed.endswith("%")
    if not wish.max_failed:
        return config
    try:
        return replace(config, **({"max_failed_tasks_percent": float(number)} if percent else _whole(number)))
    except ValueError as err:
        raise BadInput(f"--max-failed takes a number or a share such as 5%, found '{wish.max_failed}'") from err


def _whole(number: str) -> dict[str, Any]:
    return {"max_failed_tasks": int(number)}


def _source(inputs: Sequence[Path]) -> DataRef:
    if not inputs:
        return DataRef("bypass")
    return DataRef("local", {"paths": [str(path.absolute()) for path in inputs]})
