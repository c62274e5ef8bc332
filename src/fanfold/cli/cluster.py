"""`fanfold cluster`: a Ray cluster on this machine, to try the Ray executor with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanfold.cli.output import print_json, print_table

if TYPE_CHECKING:
    from fanfold.executors.ray_cluster import TrialCluster

app = typer.Typer(help="A Ray cluster on this machine, for trial.", no_args_is_help=True, add_completion=False)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Where it is noted; default: `cluster` in the state home.")
]


@app.callback()
def _group() -> None:
    """A Ray cluster on this machine, for trial."""


@app.command("start")
def start(
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, max=64, help="How many nodes.")] = 3,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores of each; default: this machine's, shared out.")] = None,
    regions: Annotated[str, typer.Option(help="Their regions, comma-separated, in turn; default: none.")] = "",
    folder: Folder = None,
) -> None:
    """Start a cluster of several nodes on this machine, with token authentication; returns when all are up."""
    import os

    cluster = _cluster(folder)
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = [name.strip() for name in regions.split(",") if name.strip()]
    cluster.start(nodes, cpus or max(1, cores // nodes), int(0.7 * memory / nodes), names)
    print(f"{nodes} nodes are up. Use them with:\n  fanfold up --executor ray{_options(cluster, folder)}")


@app.command("stop")
def stop(folder: Folder = None) -> None:
    """Stop the cluster that `fanfold cluster start` has started, and no other Ray of this machine."""
    count = _cluster(folder).stop()
    print(f"{count} nodes were stopped" if count else "no node was running")


@app.command("status")
def status(folder: Folder = None, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the nodes that `fanfold cluster start` has started."""
    cluster = _cluster(folder)
    nodes = [
        {"pid": node.pid, "role": "head" if node.head else "node", "region": node.region, "runs": bool(node.process())}
        for node in cluster.nodes()
    ]
    if json:
        print_json({"address": cluster.address, "tokenFile": str(cluster.token_file), "nodes": nodes})
        return
    if not nodes:
        print("no cluster was started here; type: fanfold cluster start --nodes 3")
        return
    rows = [(str(node["pid"]), node["role"], node["region"], "runs" if node["runs"] else "ended") for node in nodes]
    print(f"Ray at {cluster.address}, token in {cluster.token_file}")
    print_table(("pid", "role", "region", "state"), rows)


def _cluster(folder: Path | None) -> TrialCluster:
    from fanfold.effects import Effects
    from fanfold.executors.ray_cluster import TrialCluster
    from fanfold.settings import state_home

    return TrialCluster((folder or state_home() / "cluster").absolute(), Effects())


def _options(cluster: TrialCluster, folder: Path | None) -> str:
    """What `fanfold up` has to be told; nothing where the cluster is noted where it looks."""
    return "" if folder is None else f" --ray-address {cluster.address} --ray-token-file {cluster.token_file}"
