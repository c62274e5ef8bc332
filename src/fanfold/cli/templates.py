"""`fanfold template`: templates of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fanfold.cli.connection import certain, connected, speaking
from fanfold.cli.output import dumped, print_json, print_record, print_table, when
from fanfold.errors import BadInput

app = typer.Typer(help="Templates of a server.", no_args_is_help=True, add_completion=False)

Id = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _group() -> None:
    """Templates of a server."""


@app.command("push")
def push(file: Annotated[Path, typer.Argument(help="A template.json.")], json: Json = False) -> None:
    """Make a template, or change the one of that id."""
    from json import loads

    try:
        written = loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise BadInput(f"the template '{file}' cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise BadInput(f"the template '{file}' is not JSON: {err}") from err
    if not isinstance(written, dict):
        raise BadInput(f"the template '{file}' is not a JSON object")
    with connected(json) as client:
        answer = client.templates.push(written)
    for warning in answer.warnings:
        speaking().print(f"[yellow]warning:[/] {warning}")
    if json:
        print_json(answer.template)
    else:
        print(answer.template.id)


@app.command("list")
def list_(
    public: Annotated[bool, typer.Option("--public", help="Everybody's public ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    json: Json = False,
) -> None:
    """List templates."""
    with connected(json) as client:
        page = client.templates.list(public, limit, offset)
    if json:
        print_json(list(page))
        return
    rows = [(item.id, item.app, item.partitioner, item.assembler, when(item.updated_at)) for item in page]
    print_table(("id", "app", "partitioner", "assembler", "updated"), rows, page.total - offset - len(page))


@app.command("get")
def get(template_id: Id, json: Json = False) -> None:
    """Show one template."""
    with connected(json) as client:
        found = client.templates.get(template_id)
    if json:
        print_json(found)
    else:
        print_record(dumped(found))


@app.command("delete")
def delete(template_id: Id, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a template; jobs made from it keep its values."""
    if not certain(f"delete {template_id}?", yes):
        raise typer.Exit(2)
    with connected() as client:
        client.templates.delete(template_id)
