"""A plan as a person reads it: numbers, a histogram of sizes, the first chunks."""

from __future__ import annotations

from fanfold.cli.ending import size_of
from fanfold.cli.output import print_table
from fanfold.wire.plans import PlanAnswer

BAR = 40
SHOWN = 10


def tell_plan(plan: PlanAnswer) -> None:
    """Print it."""
    sizes = f"{size_of(plan.smallest)} to {size_of(plan.largest)}" if plan.count else ""
    print(f"{plan.count:,} chunks of {plan.files:,} files, {size_of(plan.size)} in all; {sizes}")
    if plan.estimate is not None:
        low, high = plan.estimate.seconds_low, plan.estimate.seconds_high
        print(f"about {low:,.0f} to {high:,.0f} s here, by {plan.estimate.learned_from:,} chunks of earlier jobs")
    else:
        print("how long they take is not known: the app has not been run here yet")
    most = max((size.count for size in plan.histogram), default=1)
    rows = [(size_of(size.up_to), f"{size.count:,}", "█" * max(1, BAR * size.count // most)) for size in plan.histogram]
    print()
    print_table(("up to", "chunks", ""), rows)
    print()
    first = [(one.index, one.label or one.file, one.offset, size_of(one.size)) for one in plan.first[:SHOWN]]
    print_table(("chunk", "of", "from byte", "size"), first)
