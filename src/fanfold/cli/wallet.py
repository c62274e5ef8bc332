"""`fanfold wallet`: the account's money; for administrators, everybody's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from fanfold.cli.connection import certain, connected, speaking
from fanfold.cli.exits import Exit
from fanfold.cli.output import print_json, print_record, print_table, when

app = typer.Typer(help="Money: balance, bookings, usage, prices.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfAccount = Annotated[str, typer.Option("--account", help="Another account, for administrators.")]
AllOrOne = Annotated[str, typer.Option("--account", help="Another account, or '*' for all, for administrators.")]
Notes = Annotated[str, typer.Option(help="What stands beside it in the ledger.")]
Amount = Annotated[str, typer.Argument(help="Chips, with at most 8 decimals.")]
WIDEST_BAR = 40


@app.callback()
def _group() -> None:
    """Money: balance, bookings, usage, prices."""


@app.command("balance")
def balance(account: OfAccount = "", json: Json = False) -> None:
    """Show the balance in chips."""
    with connected(json) as client:
        found = client.wallet.balance(account)
        rate = client.wallet.exchange_rate()
        status = client.wallet.status()
    if json:
        print_json(found)
        return
    told: dict[str, object] = {
        "account": found.account_id,
        "total": f"{found.total_balance:.8f}",
        "available": f"{found.available_balance:.8f}",
        "due": f"{found.amount_due:.8f}" if found.amount_due else "",
        "total in USD": f"{found.total_balance * rate:.2f}" if rate else "",
        "charged since": when(status.charges_since) or "never: this server does not charge",
    }
    print_record(told)


@app.command("transactions")
def transactions(
    *,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="top_up, coupon, hold, release, charge, refund; repeatable.")
    ] = None,
    job: Annotated[str, typer.Option(help="Of one job.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to skip.")] = 0,
    account: AllOrOne = "",
    csv: Annotated[bool, typer.Option("--csv", help="All of them as CSV, oldest first.")] = False,
    json: Json = False,
) -> None:
    """List what was booked, newest first."""
    with connected(json) as client:
        if csv:
            print(client.wallet.transactions_csv(account_id=account), end="")
            return
        found = client.wallet.transactions(type_ or (), job, limit, offset, account)
    if json:
        print_json(list(found))
        return
    rows = [
        (
            line.id,
            when(line.created_at),
            line.transaction_type,
            line.account_from,
            line.account_to,
            line.transaction_data.get("amount", ""),
            line.transaction_data.get("balance", ""),
            line.related_entity,
            line.notes,
        )
        for line in found
    ]
    columns = ("id", "at", "type", "from", "to", "amount", "balance", "for", "notes")
    print_table(columns, rows, found.total - found.offset - len(found))


@app.command("usage")
def usage(
    by: Annotated[str, typer.Option(help="Any of account, template, label and month, comma-separated.")] = "month",
    since: Annotated[datetime | None, typer.Option(help="From when on; default: twelve months.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Until when; default: now.")] = None,
    account: AllOrOne = "",
    json: Json = False,
) -> None:
    """Tell what programs used, with a bar for what it cost."""
    with connected(json) as client:
        found = client.wallet.usage(by.split(","), since, until, account)
    if json:
        print_json(list(found))
        return
    fields = {"month": "month", "account": "account_id", "template": "template_id", "label": "label"}
    groups = {name: field for name, field in fields.items() if name in by.split(",")}
    most = max((float(line.cost) for line in found), default=0.0)
    rows = [
        (
            *(getattr(line, field) or "-" for field in groups.values()),
            f"{line.attempts:,}",
            f"{line.program_seconds:,.1f}",
            f"{line.cpu_seconds:,.1f}",
            line.cost,
            "\N{FULL BLOCK}" * round(WIDEST_BAR * float(line.cost) / most) if most else "",
        )
        for line in found
    ]
    print_table((*groups, "attempts", "program s", "CPU s", "chips", ""), rows)


@app.command("estimate")
def estimate(job: Annotated[str, typer.Argument(help="The job, run or not.")], json: Json = False) -> None:
    """Tell what a job will cost, from low to high."""
    with connected(json) as client:
        found = client.jobs.get(job).estimation()
    if json:
        print_json(found)
        return
    bases = {"history": f"{found.runs_seen:,} earlier jobs of its app", "canary": "its own chunks that have ended"}
    told = {"low": found.low, "median": found.estimated_cost, "high": found.high}
    print_record({**told, "learned from": bases.get(found.basis, "the size of its input: a guess")})


@app.command("invoice")
def invoice(
    month: Annotated[str, typer.Argument(help="Such as 2031-05.")],
    account: OfAccount = "",
) -> None:
    """Print what was charged in a month, job by job, as CSV."""
    with connected() as client:
        print(client.wallet.invoice(month, account), end="")


@app.command("coupon")
def coupon(
    code: Annotated[str, typer.Argument(help="Its code; with --make one of your own, or none.")] = "",
    make: Annotated[str, typer.Option(help="Make one that is worth so many chips, for administrators.")] = "",
    uses: Annotated[int, typer.Option(min=1, help="How many accounts may redeem it.")] = 1,
    expires: Annotated[datetime | None, typer.Option(help="Until when it is good; default: for ever.")] = None,
    json: Json = False,
) -> None:
    """Redeem a coupon, or make one; without either, list all."""
    with connected(json) as client:
        if make:
            made = client.wallet.make_coupon(make, uses, code, expires)
            print_json(made) if json else print(made.code)
        elif code:
            booked = client.wallet.redeem(code)
            print_json(booked) if json else speaking().print(f"{booked.amount} chips were added")
        else:
            found = client.wallet.coupons()
            rows = [(one.code, one.amount, one.used, one.uses, when(one.expires_at) or "never") for one in found]
            print_json(list(found)) if json else print_table(("code", "amount", "used", "uses", "expires"), rows)


@app.command("top-up")
def top_up(
    account: Annotated[str, typer.Argument(help="The account.")],
    amount: Amount,
    notes: Notes = "",
    key: Annotated[str, typer.Option(help="A name of your own; with the same one it is booked once.")] = "",
    json: Json = False,
) -> None:
    """Give an account chips, for administrators."""
    with connected(json) as client:
        booked = client.wallet.top_up(account, amount, notes, key)
    print_json(booked) if json else speaking().print(
        f"'{booked.account_id}' got {booked.amount} chips and has {booked.balance.total_balance:.8f}"
    )


@app.command("refund")
def refund(
    job: Annotated[str, typer.Argument(help="The job.")],
    amount: Annotated[str, typer.Option(help="A part of what it was charged; default: all of it.")] = "",
    notes: Notes = "",
    json: Json = False,
) -> None:
    """Give back what a job was charged, for administrators."""
    with connected(json) as client:
        booked = client.wallet.refund(job, amount or None, notes)
    print_json(booked) if json else speaking().print(f"'{booked.account_id}' got {booked.amount} chips back")


@app.command("price")
def price(
    rate: Annotated[str, typer.Argument(help="A new rate; without one, the price list is shown.")] = "",
    *,
    resource: Annotated[str, typer.Option(help="cpu or memory; default: both.")] = "",
    region: Annotated[str, typer.Option(help="A region; default: all without a price of their own.")] = "",
    gpu: Annotated[str, typer.Option(help="A GPU model; default: all without a price of their own.")] = "",
    since: Annotated[datetime | None, typer.Option(help="From when on, in UTC; default: now.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Until when, in UTC; default: until it is ended.")] = None,
    end: Annotated[str, typer.Option(metavar="ID", help="Let a price end now.")] = "",
    json: Json = False,
) -> None:
    """Show the price list, or change it, for administrators."""
    with connected(json) as client:
        if end:
            client.wallet.end_price(end)
        elif rate:
            times = {"validFrom": since and since.isoformat(), "validUntil": until and until.isoformat()}
            client.wallet.add_price(rate, resource=resource, region=region, gpu=gpu, **times)
        found = client.wallet.prices()
    if json:
        print_json(list(found))
        return
    rows = [
        (
            one.id,
            one.rate,
            one.resource or "all",
            one.region or "all",
            one.gpu or "all",
            when(one.valid_from),
            when(one.valid_until),
        )
        for one in found
    ]
    print_table(("id", "rate", "resource", "region", "GPU", "from", "until"), rows)


@app.command("enable")
def enable(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False) -> None:
    """Have the server charge from now on, for administrators. It cannot be turned off again."""
    asked = "From now on jobs are charged, and accounts without a balance cannot run any. Go on?"
    if not certain(asked, yes):
        raise typer.Exit(Exit.BAD_USAGE)
    with connected(json) as client:
        status = client.wallet.enable()
    print_json(status) if json else speaking().print(f"jobs are charged since {when(status.charges_since)} UTC")


@app.command("audit")
def audit(json: Json = False) -> None:
    """Prove the books, for administrators: seals, sums, and that every attempt was charged once. Ends with 1 if not."""
    with connected(json) as client:
        found = client.wallet.audit()
    if json:
        print_json(found)
    else:
        print_record({"lines": f"{found.entries:,}", "sum of all accounts": found.sum, "last seal": found.seal})
        for fault in found.faults:
            speaking().print(f"[bold red]wrong:[/] {fault}", markup=True)
        speaking().print("the books are right" if found.ok else "the books are wrong")
    if not found.ok:
        raise typer.Exit(1)
