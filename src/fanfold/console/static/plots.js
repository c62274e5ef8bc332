// Fetches the figures of a job and draws them; again, every few seconds at most, while the job moves.
"use strict";
(() => {
  const root = document.querySelector("[data-pictures]");
  if (!root) return;
  const QUIET_MS = 2500, HEIGHT = 180;
  const box = root.querySelector("[data-timeline]");
  let asked = false, again = false, throughput = null, durations = null;

  const timeline = new window.FanfoldTimeline(box, root.querySelector("[data-timeline-told]"), root.dataset.tasks, () => load());
  for (const button of root.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => timeline.act(button.dataset.zoom));

  async function load() {
    if (asked) { again = true; return; }
    asked = true;
    try {
      const query = new URLSearchParams({ columns: timeline.columns() });
      if (timeline.range) { query.set("from", timeline.range[0]); query.set("to", timeline.range[1]); }
      const answer = await fetch(`${root.dataset.pictures}?${query}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok) throw new Error(`the server said ${answer.status}`);
      const data = await answer.json();
      timeline.show(data);
      none(data);
      throughput = plot(throughput, root.querySelector("[data-throughput]"), rates(data.throughput), "time");
      durations = plot(durations, root.querySelector("[data-durations]"), bins(data.durations), "span");
      told(data.durations);
      root.dataset.drawn = "yes";
    } catch (error) {
      root.querySelector("[data-timeline-told]").textContent = `The pictures could not be drawn: ${error.message}. Load the page again.`;
    }
    asked = false;
    if (again) { again = false; load(); }
  }

  // All that ended within one step of a tenth of a second stands between two steps in which nothing did.
  const rates = ({ times, good, bad }) => times.length === 1
    ? [[times[0] - .1, times[0], times[0] + .1], [0, good[0], 0], [0, bad[0], 0]] : [times, good, bad];
  const bins = ({ step, good, bad }) => [good.map((_, place) => (place + .5) * step), good.map((number, place) => number + bad[place]), bad];

  function none(data) {
    root.querySelector("[data-throughput-told]").textContent = data.throughput.times.length ? "" : "No attempt has ended yet.";
    for (const [name, empty] of [["throughput", !data.throughput.times.length], ["durations", data.durations.median === null]])
      root.querySelector(`[data-${name}]`).hidden = empty;
  }

  function told({ median, p95, longest }) {
    const span = (s) => window.FanfoldTimeline.span(s * 1000);
    root.querySelector("[data-durations-told]").textContent = median === null ? "No program has ended yet."
      : `Half ran at most ${span(median)}, 95 of 100 at most ${span(p95)}, the longest ${span(longest)}.`;
  }

  // The time of day as the rest of the page has it; the day where one begins.
  function moments(_, ticks, __, ___, step) {
    return ticks.map((tick) => {
      const at = new Date(tick * 1000), clock = at.toLocaleTimeString("en-GB");
      if (step >= 86400 || (step >= 60 && clock === "00:00:00")) return at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
      return step >= 60 ? clock.slice(0, 5) : step >= 1 ? clock : `${clock}.${String(at.getMilliseconds()).padStart(3, "0").slice(0, step < .01 ? 3 : step < .1 ? 2 : 1)}`;
    });
  }

  function plot(known, place, data, kind) {
    const width = Math.max(200, place.clientWidth);
    if (known) { known.setSize({ width, height: HEIGHT }); known.setData(data); return known; }
    if (!data[0].length) return null;
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: of("--quiet"), grid: { stroke: of("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const bars = kind === "span" ? window.uPlot.paths.bars({ size: [.9, 40], align: 0 }) : undefined;
    const line = (label, name) => ({ label, stroke: of(name), width: kind === "span" ? 0 : 1.5, fill: kind === "span" ? of(name) : undefined, paths: bars, points: { show: false } });
    return new window.uPlot({
      width, height: HEIGHT, cursor: { drag: { x: false, y: false } }, legend: { show: kind !== "span", live: false },
      scales: { x: { time: kind === "time" }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [{ ...axis, space: kind === "time" ? 88 : 50, values: kind === "time" ? moments : (_, ticks) => ticks.map((tick) => window.FanfoldTimeline.span(tick * 1000)) }, { ...axis, size: 44 }],
      series: [{}, line(kind === "time" ? "succeeded a second" : "succeeded", "--accent"), line(kind === "time" ? "failed a second" : "failed", "--bad")],
    }, data, place);
  }

  let waiting = null;
  if ("moving" in root.dataset) {
    document.addEventListener("htmx:sseMessage", (event) => {
      if (event.target.id !== "job-live" || waiting) return;
      waiting = setTimeout(() => { waiting = null; if (!document.hidden) load(); }, QUIET_MS);
    });
  }
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => { waiting = null; load(); }, 300); });
  load();
})();
