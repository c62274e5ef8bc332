"""How the console bears a job of 100,000 tasks, in a real browser. Needs Chromium and what `make setup-dev` installs.

A real job is run once; its one task is then copied in the database to as many as are asked for, spread over the slots
and the time as a run would leave them. A log of a million lines is printed by a real job, and another real job runs
while its page is looked at: what the store recorded is counted in its history, what the page showed in the page. All of
it several times; medians are told beside the targets.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Locator, Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.conftest import ARGUMENTS
from tests.compat.scene import COPY, done, draft, ended, push, run
from tests.compat.server import Door, Server

TARGETS = {
    "job page usable (s)": "at most 2",
    "task filter (s)": "at most 0.5",
    "heap of the page (MB)": "at most 150",
    "largest response (MB)": "at most 1",
    "longest gap between frames (s)": "at most 0.25",
    "recorded changes a second": "at least 200",
    "seconds in a row of at least 200 each": "at least 20",
    "longest task of it (s)": "at most 1",
    "longest task of a page (s)": "at most 1",
    "longest of them (s)": "at most 0.25",
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


WATCH = """
  window.long = []; window.gap = 0; window.seen = []; window.parts = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) window.long.push(one.duration); })
    .observe({ type: "longtask", buffered: true });
  let last = performance.now();
  const frame = (now) => { window.gap = Math.max(window.gap, now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  document.addEventListener("htmx:sseMessage", (event) => {
    window.parts += 1;
    if (event.target.id !== "job-live") return;
    const figures = document.querySelector("#job-live .figures").textContent.replaceAll("\\u202f", "");
    const told = /([0-9]+) of [0-9]+/.exec(figures);
    if (told) window.seen.push([Date.now(), Number(told[1])]);
  });
"""
"""Put into every page: its long tasks (ms), its longest gap between frames (ms), and what it showed when."""


class Sizes:
    """The sizes of the answers to a page, streams left out."""

    def __init__(self, page: Page) -> None:
        self.seen: list[int] = [0]
        page.on("response", self._came)

    def _came(self, response: Response) -> None:
        live = ("/live", "/follow", "/changes", "/download")
        if not any(word in response.url for word in live) and response.status == 200:
            self.seen.append(len(response.body()))


def memory(page: Page) -> dict[str, float]:
    """Of the page's scripts after a collection, and of the largest process that draws pages."""
    heap = page.context.new_cdp_session(page)
    heap.send("HeapProfiler.collectGarbage")
    used: dict[str, Any] = heap.send("Runtime.getHeapUsage")
    assert page.context.browser is not None
    processes = page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    drawing = [psutil.Process(one["id"]).memory_info().rss for one in processes if one["type"] == "renderer"]
    return {"heap of the page (MB)": used["usedSize"] / 1e6, "its process, resident (MB)": max(drawing) / 1e6}


def longest_task_s(page: Page) -> float:
    return float(page.evaluate("Math.max(0, ...window.long)")) / 1e3


def opened(page: Page, base: str, job_id: str) -> dict[str, float]:
    """The pages of the large job, once."""
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(f"{base}/jobs/{job_id}")
    page.locator("[data-drawn=yes]").wait_for()
    job = time.perf_counter() - began
    longest = longest_task_s(page)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_load_state("networkidle")
    found = memory(page)
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.locator("tbody tr").first.wait_for()
    began = time.perf_counter()
    page.get_by_role("link", name="failed").click()
    page.locator("a[aria-current=page]", has_text="failed").wait_for()
    filtered = time.perf_counter() - began
    page.wait_for_load_state("networkidle")
    return {"job page usable (s)": job, "longest task of it (s)": longest, "task filter (s)": filtered, **found}


def in_a_row(by_second: Counter[int], least: int) -> int:
    """How many seconds one after the other had so many at least."""
    longest = here = 0
    for second in range(max(by_second) + 1):
        here = here + 1 if by_second[second] >= least else 0
        longest = max(longest, here)
    return longest


def followed(page: Page, base: str, server: Server, app: str, chunks: int) -> dict[str, float]:
    """A running job, looked at: what the store recorded, what the page showed, and how late."""
    with server.door() as door:
        params = {"partitioner": {"items": [str(number) for number in range(chunks)]}}
        job = draft(door, app, partitioner="list-items", assembler="concat", params=params)["id"]
        page.goto(f"{base}/jobs/{job}")
        page.wait_for_timeout(500)
        page.evaluate("window.gap = 0; window.long = []")
        run(door, job)
        page.locator("[aria-current=step]", has_text="complete").wait_for(timeout=600_000)
    with sqlite3.connect(server.database) as connection:
        rows = connection.execute(
            "SELECT at, name FROM events WHERE job_id = ? AND task <> '' ORDER BY seq", (job,)
        ).fetchall()
    times = [at / 1e6 for at, _ in rows]
    took = max(times) - min(times)
    by_second = Counter(int(at - min(times)) for at in times)
    completed = sorted(at / 1e6 for at, name in rows if name == "Completed")
    seen = [(at / 1e3, done) for at, done in page.evaluate("window.seen") if done]
    assert seen, "the page showed nothing of it"
    assert seen[-1][1] >= chunks, f"the page ended at {seen[-1][1]} of {chunks}"
    late = [at - completed[done - 1] for at, done in seen[:-1]]
    return {
        "recorded changes": len(rows),
        "for (s)": took,
        "recorded changes a second": len(rows) / took,
        "seconds in a row of at least 200 each": in_a_row(by_second, 200),
        "page updates a second": page.evaluate("window.parts") / took,
        "median lateness of what is shown (s)": statistics.median(late),
        "greatest lateness (s)": max(late),
        "longest gap between frames (s)": page.evaluate("window.gap") / 1e3,
        "long tasks (over 50 ms)": page.evaluate("window.long.length"),
        "longest of them (s)": longest_task_s(page),
        **memory(page),
    }


PRINTING = """#!/bin/sh
awk -v chunk="$FANFOLD_CHUNK_INDEX" 'BEGIN { for (n = 1; n <= LINES; n++) {
  if (n == LINES - 5) print "ERROR: cannot read row " n
  else if (n % 1000 == 0) print "WARNING: row " n " is odd"
  else print "INFO: row " n } }'
[ "$FANFOLD_CHUNK_INDEX" = 0 ] || echo "INFO: the needle"
echo done > "$TASK_RESULTS_DIR/out.txt"
"""
PRINTERS = 2


def printed(door: Door, lines: int) -> str:
    """A job whose tasks printed so many lines together: an error near the end of each, a needle at the very end."""
    app = push(door, "printing", PRINTING.replace("LINES", str(lines // PRINTERS)))
    params = {"partitioner": {"items": [str(number) for number in range(PRINTERS)]}}
    job = draft(door, app, name="a long log", partitioner="list-items", assembler="concat", params=params)["id"]
    run(door, job)
    return str(ended(door, job, deadline_s=240)["id"])


def log_read(page: Page, base: str, job_id: str) -> dict[str, float]:
    """What a reader of the long log waits for, once."""
    lines, took = page.locator(".log .line"), {}

    def timed(what: str, do: Callable[[], object], there: Locator) -> None:
        began = time.perf_counter()
        do()
        there.first.wait_for(timeout=120_000)
        took[f"{what} (s)"] = time.perf_counter() - began
        took["longest task of a page (s)"] = max(took.get("longest task of a page (s)", 0.0), longest_task_s(page))

    def asked(query: str) -> Callable[[], object]:
        return lambda: page.goto(f"{base}/jobs/{job_id}/logs?{query}")

    page.goto("about:blank")
    timed("log page usable", asked(""), lines)
    timed("the next lines", page.get_by_role("button", name="Show the next lines").click, lines.nth(700))
    timed("to the end", page.get_by_role("link", name="To the end").click, lines.filter(has_text="the needle"))
    timed("earlier lines", page.get_by_role("button", name="Show earlier lines").click, lines.nth(700))
    page.goto(f"{base}/jobs/{job_id}/logs")
    jump = page.get_by_role("button", name="Next error")
    timed("next error, half a million lines on", jump.click, page.locator(".line.found"))
    timed("one level of four", asked("level=ERROR"), lines.nth(1))
    timed("search for the last line", asked("find=the+needle"), lines)
    timed("search for what is nowhere", asked("find=no+such+words"), page.locator("[data-none]"))
    return took | memory(page)


def gathered(rounds: list[dict[str, float]]) -> dict[str, str]:
    """The median of every figure, with its lowest and highest."""
    found = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        found[name] = f"{statistics.median(values):.5g} ({min(values):.5g} to {max(values):.5g})"
    return found


def told(title: str, rounds: list[dict[str, float]]) -> None:
    if not rounds:
        return
    print(f"\n| {title} | median of {len(rounds)} (lowest to highest) | target |\n| :-- | --: | --: |")
    for name, figure in gathered(rounds).items():
        print(f"| {name} | {figure} | {TARGETS.get(name, '')} |")
    sys.stdout.flush()


def signed_in(browser: Browser, server: Server) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/console/sign-in")
    page.get_by_label("API key").fill(server.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/jobs")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5, help="so often the pages of that job are loaded; 0: not")
    parser.add_argument("--rounds", type=int, default=3, help="of the job that is watched, and of the log")
    parser.add_argument("--chunks", type=int, default=5000, help="of the job that is watched while it runs")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the log that is read; 0: none")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    server = Server(folder, slots=2, requests_per_s=100_000)
    try:
        server.start()
        with server.door() as door:
            app = push(door, "copy", COPY)
            job_id = str(done(door, app, name="a hundred thousand")["id"])
            long_log = printed(door, given.lines) if given.lines else ""
        server.stop()
        seed(server.database, job_id, given.tasks)
        server.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page, base = signed_in(browser, server), f"{server.url}/console"
            sizes = Sizes(page)
            told(f"{given.tasks:,} tasks", [opened(page, base, job_id) for _ in range(given.times)])
            told(
                f"{given.lines:,} lines",
                [log_read(page, base, long_log) for _ in range(given.rounds if long_log else 0)],
            )
            print(f"\nlargest response (MB): {max(sizes.seen) / 1e6:.3f}, target {TARGETS['largest response (MB)']}")
            watched = [followed(page, base, server, app, given.chunks) for _ in range(given.rounds)]
            told(f"a job of {given.chunks:,} tasks, looked at", watched)
            browser.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
