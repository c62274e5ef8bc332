// Draws what was used, a bar a month, its groups on top of each other.
"use strict";
(() => {
  const HEIGHT = 200, NARROW = 560;
  const COLOURS = ["--accent", "--series-2", "--series-3", "--series-4", "--series-5", "--edge"];

  for (const place of document.querySelectorAll("[data-usage]")) drawn(place, JSON.parse(place.dataset.usage));

  function drawn(place, { months, groups }) {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    const width = () => Math.max(200, place.clientWidth);
    const axis = { stroke: of("--quiet"), grid: { stroke: of("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const word = (place) => {
      const [year, month] = months[place].split("-"), name = new Date(Date.UTC(year, month - 1)).toLocaleString("en", { month: "short", timeZone: "UTC" });
      return month === "01" || place === 0 ? `${name} ${year.slice(2)}` : name;
    };
    // The highest bar is drawn first, and what lies below it over it.
    const tops = groups.map((_, last) => months.map((_, month) => groups.slice(0, last + 1).reduce((sum, group) => sum + group.chips[month], 0) || null)).reverse();
    const colours = groups.map((_, number) => of(COLOURS[number])).reverse();
    const names = groups.map((group) => group.name).reverse();
    const bars = window.uPlot.paths.bars({ size: [.7, 56], align: 0 });
    const plot = new window.uPlot({
      width: width(), height: HEIGHT, cursor: { show: false }, legend: { show: names.some((name) => name), live: false },
      scales: { x: { time: false, range: [-.6, months.length - .4] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, splits: () => months.map((_, at) => at).filter((at) => width() > NARROW || (months.length - 1 - at) % 3 === 0), values: (_, all) => all.map(word) },
        { ...axis, size: 60, values: (_, all) => all.map((chips) => Number(chips.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 })) },
      ],
      series: [{}, ...names.map((label, number) => ({ label, stroke: of("--sheet"), width: 1, fill: colours[number], paths: bars, points: { show: false } }))],
    }, [months.map((_, at) => at), ...tops], place);
    place.dataset.drawn = "yes";
    let waiting = null;
    addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => plot.setSize({ width: width(), height: HEIGHT }), 200); });
  }
})();
