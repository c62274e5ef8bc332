"""From options to a job at a server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fanfold.cli.uploading import shown_upload
from fanfold.cli.wishes import ROLES, params_of, value_of
from fanfold.client.fields import JobFields
from fanfold.errors import BadInput, Problem

if TYPE_CHECKING:
    from fanfold.client import Client, Job

BUCKET = {"dataSourceDescriptor": "bucket"}


@dataclass(frozen=True, slots=True)
class Draft:
    """The options of `fanfold job create` and `fanfold job run`."""

    template: str
    app: str
    partitioner: str
    assembler: str
    input: Path | None
    source: str
    destination: str
    name: str
    params: tuple[str, ...]
    config: tuple[str, ...]
    priority: str


def made(client: Client, draft: Draft) -> Job:
    """Make the draft and upload its input; raises BadInput that names every mistake."""
    if draft.input is not None and not draft.input.is_file():
        raise BadInput(f"there is no file '{draft.input}' to upload")
    if draft.input is not None and draft.source:
        raise BadInput("give --input or --source, not both")
    job = client.jobs.create(**_fields(client, draft))
    if draft.input is not None:
        with shown_upload(draft.input) as sent:
            job.upload(draft.input, sent)
    return job


def _fields(client: Client, draft: Draft) -> JobFields:
    for name in ("app", "partitioner", "assembler"):
        _refuse_folder(getattr(draft, name), "app" if name == "app" else "engine")
    params = params_of(draft.params, {})
    fields: dict[str, Any] = {
        "template_id": draft.template,
        "app": draft.app,
        "partitioner": draft.partitioner,
        "assembler": draft.assembler,
        "name": draft.name or (draft.input.name if draft.input else ""),
        "priority": f"EXECUTION_PRIORITY_{draft.priority.upper()}" if draft.priority else "",
        "params": {role: given for role in ROLES if (given := getattr(params, role))},
        "config": config_of(draft.config),
        "data_source": place_of(draft.source),
        "data_destination": place_of(draft.destination) or _usual_destination(client, draft.template),
    }
    return cast(JobFields, {name: value for name, value in fields.items() if value})


def _usual_destination(client: Client, template: str) -> Mapping[str, Any]:
    """The template's own where it has one, else the server's bucket, where results can be fetched from."""
    if template and client.templates.get(template).data_destination is not None:
        return {}
    return BUCKET


def _refuse_folder(tag: str, group: str) -> None:
    """A name alone is a tag, also where a folder is called like that: it was pushed from there, most likely."""
    if "/" in tag or (tag and Path(tag).is_file()):
        hint = f"Push it first: fanfold {group} push {tag} --activate"
        raise BadInput(f"'{tag}' is on this machine, and the server runs blocks by their tags.", hint=hint)


def place_of(text: str) -> Mapping[str, Any]:
    """`bypass`, a URL, or a whole data source as JSON; nothing for ""."""
    if not text:
        return {}
    if text.startswith("{"):
        try:
            found: Mapping[str, Any] = json.loads(text)
        except ValueError as err:
            raise BadInput(f"the data source is not JSON: {err}") from err
        return found
    if text.startswith(("http://", "https://")):
        return {"dataSourceDescriptor": "url", "params": {"url": text}}
    return {"dataSourceDescriptor": text}


def config_of(given: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as a configuration."""
    pairs = [text.partition("=") for text in given]
    wrong = [
        Problem(f"-c {key}", "expected KEY=VALUE, such as maxAttempts=5") for key, equals, _ in pairs if not equals
    ]
    if wrong:
        raise BadInput("the configuration is not right", wrong)
    return {key: value_of(value) for key, _, value in pairs}
