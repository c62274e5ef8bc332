"""`fanfold webhook`: URLs that are told what happens to the account's jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold.cli.connection import certain, connected, speaking
from fanfold.cli.exits import Exit
from fanfold.cli.output import print_json, print_table, when

app = typer.Typer(help="URLs that are told of jobs.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a webhook.")]


@app.callback()
def _group() -> None:
    """URLs that are told what happens to the account's jobs."""


@app.command("list")
def list_(json: Json = False) -> None:
    """List the webhooks."""
    with connected(json) as client:
        found = client.webhooks.list()
    if json:
        print_json(list(found))
        return
    rows = [(hook.id, hook.url, " ".join(hook.events), when(hook.created_at), hook.off or "on") for hook in found]
    print_table(("id", "url", "events", "created", "state"), rows)


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages are sent, http or https.")],
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="An event of jobs, or * for all; may be repeated. Default: the ends of jobs."),
    ] = None,
    json: Json = False,
) -> None:
    """Have a URL told what happens to jobs from now on. The secret of its signatures is shown this once."""
    with connected(json) as client:
        made = client.webhooks.create(url, event or ())
    if json:
        print_json(made)
        return
    speaking().print(f"webhook '{made.webhook.id}' is told of {', '.join(made.webhook.events)}; its secret:")
    print(made.secret)


@app.command("delete")
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of webhooks.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete webhooks and forget what was sent to them."""
    if not certain(f"Delete {', '.join(ids)} for good?", yes):
        raise typer.Exit(1)
    with connected() as client:
        for webhook_id in ids:
            client.webhooks.delete(webhook_id)


@app.command("deliveries")
def deliveries(
    webhook_id: Id,
    state: Annotated[str, typer.Option(help="pending, delivered or failed; default: all.")] = "",
    before: Annotated[str, typer.Option(help="Of events before this id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """Tell what was sent and is to be sent, newest first; what has ended is kept for 30 days."""
    with connected(json) as client:
        found = client.webhooks.deliveries(webhook_id, state, before, limit)
    if json:
        print_json(found)
        return
    rows = [
        (
            item.id,
            item.event.name,
            item.event.job_id,
            item.state,
            str(item.attempts),
            when(item.ended_at or item.due_at or ""),
            item.error,
        )
        for item in found.deliveries
    ]
    print_table(("id", "event", "job", "state", "attempts", "ended or due", "last error"), rows)
    if found.has_next:
        speaking().print(f"there are more: --before {found.next}")


@app.command("replay")
def replay(
    webhook_id: Id,
    delivery_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[DELIVERY]...", help="Their ids; none: all that failed.")
    ] = None,
) -> None:
    """Send messages once more, under the same ids."""
    with connected() as client:
        count = client.webhooks.replay(webhook_id, delivery_ids or ())
    speaking().print(f"{count} messages are sent once more")


@app.command("test")
def try_(webhook_id: Id, json: Json = False) -> None:
    """Send a message of the type Ping, once and now, and tell what came back."""
    with connected(json) as client:
        found = client.webhooks.test(webhook_id)
    if json:
        print_json(found)
    elif found.ok:
        speaking().print(f"the receiver took it and answered {found.status}")
    else:
        speaking().print(f"not taken: {found.error or f'the receiver answered {found.status}'}")
    if not found.ok:
        raise typer.Exit(Exit.UNAVAILABLE)
