"""How the console bears a job of 100,000 tasks, in a real browser. Needs Chromium and what `make setup-dev` installs.

A real job is run once; its one task is then copied in the database to as many as are asked for, spread over the slots
and the time as a run would leave them. The browser loads the pages several times; medians are told beside the targets.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.conftest import ARGUMENTS
from tests.compat.scene import COPY, done, draft, push, run
from tests.compat.server import Server

TARGETS = {
    "job page usable (s)": 2.0,
    "task filter (s)": 0.5,
    "heap of the browser (MB)": 150.0,
    "largest response (MB)": 1.0,
    "longest gap between frames, live (s)": 0.25,
}
STEP_US = 20_000


def seed(database: Path, job_id: str, count: int) -> None:
    """Copy the one task of a job, with its attempt, to `count` of each; one in fifty failed."""
    with sqlite3.connect(database) as connection:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
        for table, ends in (("tasks", ("state",)), ("attempts", ("outcome",))):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            failed = {"state": "'TASK_STATE_FAILED'", "outcome": "'ProgramFailed'"}
            changed = {"chunk_index": "i", "runner": "'local-' || (i % 8)", "label": "'row ' || i"}
            changed |= {
                name: f"t.{name} + i * {STEP_US}" for name in names if name.endswith("_at") and name != "due_at"
            }
            changed |= {name: f"CASE WHEN i % 50 = 0 THEN {failed[name]} ELSE t.{name} END" for name in ends}
            if "ended_at" in changed:
                changed["ended_at"] = f"t.started_at + i * {STEP_US} + (abs(random()) % 300000)"
            chosen = ", ".join(changed.get(name, f"t.{name}") for name in names)
            columns = ", ".join(names)
            where = "t.job_id = :job AND t.role = 'app' AND t.chunk_index = 0"
            connection.execute(
                f"{numbers} INSERT INTO {table} ({columns}) SELECT {chosen} FROM {table} t, n WHERE {where}",
                {"last": count - 1, "job": job_id},
            )
        bad = (count - 1) // 50
        connection.execute(
            "UPDATE jobs SET num_chunks = :n, tasks_total = :n, tasks_done = :n - :bad, tasks_failed = :bad"
            " WHERE id = :job",
            {"n": count, "bad": bad, "job": job_id},
        )


def measured(page: Page, base: str, job_id: str, times: int) -> dict[str, float]:
    """The pages of the job, several times."""
    sizes: list[int] = []

    def came(response: Response) -> None:
        if "/live" not in response.url and response.status == 200:
            sizes.append(len(response.body()))

    opened, filtered = [], []
    for _ in range(times):
        page.goto("about:blank")
        page.on("response", came)
        began = time.perf_counter()
        page.goto(f"{base}/jobs/{job_id}")
        page.locator("[data-drawn=yes]").wait_for()
        opened.append(time.perf_counter() - began)
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_load_state("networkidle")
        page.get_by_role("link", name="Tasks", exact=True).click()
        page.locator("tbody tr").first.wait_for()
        began = time.perf_counter()
        page.get_by_role("link", name="failed").click()
        page.locator("a[aria-current=page]", has_text="failed").wait_for()
        filtered.append(time.perf_counter() - began)
        page.wait_for_load_state("networkidle")
        page.remove_listener("response", came)
    page.goto(f"{base}/jobs/{job_id}")
    page.locator("[data-drawn=yes]").wait_for()
    heap = page.context.new_cdp_session(page)
    heap.send("HeapProfiler.collectGarbage")
    used: dict[str, Any] = heap.send("Runtime.getHeapUsage")
    return {
        "job page usable (s)": statistics.median(opened),
        "task filter (s)": statistics.median(filtered),
        "heap of the browser (MB)": used["usedSize"] / 1e6,
        "largest response (MB)": max(sizes) / 1e6,
    }


FRAMES = """() => { window.gap = 0; let last = performance.now();
  const frame = (now) => { window.gap = Math.max(window.gap, now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame); }"""


def followed(page: Page, base: str, server: Server, app: str, chunks: int) -> dict[str, float]:
    """A running job, watched: the longest time without a frame, and how many changes a second there were."""
    with server.door() as door:
        params = {"partitioner": {"items": [str(number) for number in range(chunks)]}}
        job = draft(door, app, partitioner="list-items", assembler="concat", params=params)["id"]
        page.goto(f"{base}/jobs/{job}")
        page.evaluate(FRAMES)
        page.wait_for_timeout(500)
        page.evaluate("window.gap = 0")
        run(door, job)
        began = time.perf_counter()
        page.locator("[aria-current=step]", has_text="complete").wait_for(timeout=600_000)
        took = time.perf_counter() - began
    return {
        "longest gap between frames, live (s)": page.evaluate("window.gap") / 1e3,
        "changes a second": 3 * chunks / took,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=2000, help="of the job that is watched while it runs")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    server = Server(folder, slots=2, requests_per_s=100_000)
    try:
        server.start()
        with server.door() as door:
            app = push(door, "copy", COPY)
            job_id = str(done(door, app, name="a hundred thousand")["id"])
        server.stop()
        seed(server.database, job_id, given.tasks)
        server.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            base = f"{server.url}/console"
            page.goto(f"{base}/sign-in")
            page.get_by_label("API key").fill(server.key)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/jobs")
            figures = measured(page, base, job_id, given.times) | followed(page, base, server, app, given.chunks)
            browser.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"| {given.tasks:,} tasks | figure | target |\n| :-- | --: | --: |")
    for name, figure in figures.items():
        print(f"| {name} | {figure:.3g} | {TARGETS.get(name, 200 if 'changes' in name else '')} |")


if __name__ == "__main__":
    main()
