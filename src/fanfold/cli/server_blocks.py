"""The commands for blocks of a server, the same for `fanfold app` and `fanfold engine`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fanfold.cli.connection import busy, certain, connected, speaking
from fanfold.cli.output import dumped, print_json, print_record, print_table, when

if TYPE_CHECKING:
    from fanfold.client import Client
    from fanfold.client.sync.blocks import Blocks

Group = Literal["app", "engine"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TagArgument = Annotated[str, typer.Argument(metavar="TAG", help="name, name@major or name@major.minor.")]

VERBS = {
    "activate": "Let new jobs use it. Safe to repeat.",
    "deactivate": "Let no new job use it. Safe to repeat.",
    "publish": "Let other accounts see and import it. Safe to repeat.",
    "unpublish": "Take it back; imports stay. Safe to repeat.",
}


def add_server_commands(app: typer.Typer, group: Group) -> None:
    """Give a group of commands those that speak to a server."""
    _add_push(app, group)
    _add_pull(app, group)
    _add_readers(app, group)
    for verb, text in VERBS.items():
        app.command(verb, help=text)(_command(group, verb))
    _add_import_and_delete(app, group)


def blocks_of(client: Client, group: Group) -> Blocks:
    """The client's apps or engines."""
    return client.apps if group == "app" else client.engines


def _add_push(app: typer.Typer, group: Group) -> None:
    @app.command("push")
    def push(
        path: Annotated[Path, typer.Argument(help="A block folder, or a script.")],
        activate: Annotated[bool, typer.Option("--activate", "-a", help="Let new jobs use it at once.")] = False,
        kind: Annotated[
            Literal["app", "partitioner", "assembler"] | None, typer.Option("--type", help="What a script is.")
        ] = None,
        json: Json = False,
    ) -> None:
        """Send a block to the server: a new version, or a further revision of one."""
        with connected(json) as client, busy(f"pushing {path}"):
            pushed = blocks_of(client, group).push(path, activate, kind or "")
        for warning in pushed.warnings:
            speaking().print(f"[yellow]warning:[/] {warning}")
        block = pushed.block
        if json:
            print_json(block)
        else:
            print(f"{block.name}@{block.version} revision {block.revision} is {block.status}")


def _add_pull(app: typer.Typer, group: Group) -> None:
    @app.command("pull")
    def pull(
        tag: TagArgument,
        folder: Annotated[Path, typer.Option("--in", help="Where to put the block's folder.")] = Path("."),
    ) -> None:
        """Fetch a block from the server into a folder of its name, as it was pushed."""
        from fanfold.cli.pulling import unpacked

        with connected() as client, busy(f"fetching {tag}"):
            block = blocks_of(client, group).get(tag)
            place = unpacked(blocks_of(client, group).download(f"{block.name}@{block.version}"), folder / block.name)
        print(place)


def _add_readers(app: typer.Typer, group: Group) -> None:
    @app.command("list")
    def list_(
        public: Annotated[
            bool, typer.Option("--public", help="Everybody's public ones and the built-in ones.")
        ] = False,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
        offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
        json: Json = False,
    ) -> None:
        """List them."""
        with connected(json) as client:
            page = blocks_of(client, group).list(public, "", limit, offset)
        if json:
            print_json(list(page))
            return
        rows = [
            (f"{item.name}@{item.version}", item.type, item.status, item.owner, when(item.updated_at), item.description)
            for item in page
        ]
        print_table(("tag", "type", "status", "owner", "updated", "description"), rows, page.total - offset - len(page))

    @app.command("get")
    def get(tag: TagArgument, json: Json = False) -> None:
        """Show the highest version that a tag covers."""
        with connected(json) as client:
            block = blocks_of(client, group).get(tag)
        if json:
            print_json(block)
        else:
            print_record(dumped(block))

    @app.command("status")
    def status(tag: TagArgument, json: Json = False) -> None:
        """Say whether new jobs may use it: active or inactive."""
        with connected(json) as client:
            found = blocks_of(client, group).status(tag)
        if json:
            print_json({"status": found})
        else:
            print(found)


def _command(group: Group, verb: str) -> Callable[[str, bool], None]:
    def act(tag: TagArgument, json: Json = False) -> None:
        with connected(json) as client:
            block = getattr(blocks_of(client, group), verb)(tag)
        if json:
            print_json(block)
        else:
            print(f"{block.name}@{block.version} is {block.status}{', public' if block.is_public else ''}")

    return act


def _add_import_and_delete(app: typer.Typer, group: Group) -> None:
    @app.command("import")
    def import_(
        tag: TagArgument,
        owner: Annotated[str, typer.Option(help="Whose, where several accounts have one.")] = "",
        json: Json = False,
    ) -> None:
        """Pin another account's public one as it is now."""
        with connected(json) as client:
            block = blocks_of(client, group).import_(tag, owner)
        if json:
            print_json(block)
        else:
            print(f"{block.name}@{block.version} of {block.owner}")

    @app.command("delete")
    def delete(tag: TagArgument, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
        """Delete an own one, or an import; refused while an unfinished job needs it."""
        if not certain(f"delete {tag}?", yes):
            raise typer.Exit(2)
        with connected() as client:
            blocks_of(client, group).delete(tag)
