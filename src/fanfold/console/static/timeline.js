// Draws attempts by runner on a canvas: bars, and shades where bars would be too narrow. It asks the server for the part
// of the time that is shown, so that it holds little however many attempts there are.
"use strict";
window.FanfoldTimeline = class {
  static LANE = 22; static TOP = 22; static LEFT = 92;

  constructor(box, told, tasks, ask) {
    this.box = box; this.told = told; this.tasks = tasks; this.ask = ask;
    this.canvas = box.querySelector("canvas"); this.tip = box.querySelector(".tip");
    this.data = null; this.range = null; this.hovered = null;
    box.addEventListener("mousemove", (event) => this.hover(event));
    box.addEventListener("mouseleave", () => { this.tip.hidden = true; });
    box.addEventListener("click", (event) => this.open(event));
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault(); this.zoom(event.deltaY < 0 ? .5 : 2, this.at(event));
    }, { passive: false });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  columns() { return Math.max(50, Math.round(this.box.clientWidth - FanfoldTimeline.LEFT)); }

  show(data) { this.data = data; this.draw(); }

  at(event) {
    const x = event.clientX - this.box.getBoundingClientRect().left - FanfoldTimeline.LEFT;
    return this.data.from + Math.max(0, Math.min(1, x / this.columns())) * (this.data.to - this.data.from);
  }

  zoom(factor, middle) {
    if (!this.data) return;
    const { from, to, first, last } = this.data, length = Math.max(20, (to - from) * factor);
    const center = middle ?? (from + to) / 2, share = (center - from) / (to - from || 1);
    const begin = Math.max(first, center - length * share), end = Math.min(last, begin + length);
    this.range = length >= last - first ? null : [Math.round(begin), Math.round(end)];
    this.ask();
  }

  move(share) {
    if (!this.data || !this.range) return;
    const { first, last } = this.data, length = this.range[1] - this.range[0];
    const begin = Math.max(first, Math.min(last - length, this.range[0] + share * length));
    this.range = [Math.round(begin), Math.round(begin + length)];
    this.ask();
  }

  act(name) {
    ({ in: () => this.zoom(.5), out: () => this.zoom(2), left: () => this.move(-.5), right: () => this.move(.5),
      all: () => { this.range = null; this.ask(); } })[name]?.();
  }

  key(event) {
    const name = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" }[event.key];
    if (name) { event.preventDefault(); this.act(name); }
  }

  colours() {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), quiet: of("--quiet"), line: of("--line"), accent: of("--accent"), bad: of("--bad"),
      still: of("--edge"), stage: of("--stage"), out: of("--series-2"), sunk: of("--sunk") };
  }

  draw() {
    const data = this.data;
    if (!data) return;
    const { LANE, TOP, LEFT } = FanfoldTimeline, ratio = window.devicePixelRatio || 1, colour = this.colours();
    const width = this.box.clientWidth, height = TOP + Math.max(1, data.lanes.length) * LANE + 4;
    this.canvas.width = width * ratio; this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`; this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif"; pen.textBaseline = "middle";
    const span = data.to - data.from || 1, room = width - LEFT, x = (time) => LEFT + (time / span) * room;
    this.axis(pen, colour, span, x, height);
    data.lanes.forEach((lane, row) => {
      const y = TOP + row * LANE;
      pen.fillStyle = colour.quiet;
      pen.fillText(lane.name.length > 13 ? `${lane.name.slice(0, 12)}…` : lane.name, 0, y + LANE / 2);
      pen.fillStyle = colour.line; pen.fillRect(LEFT, y + LANE - .5, room, .5);
      pen.save(); pen.beginPath(); pen.rect(LEFT, 0, room, height); pen.clip();
      this.cells(pen, colour, lane, y, room / data.columns);
      for (const bar of lane.bars) this.bar(pen, colour, bar, y, x);
      pen.restore();
    });
    this.told.textContent = `${data.attempts.toLocaleString("en")} attempts on ${data.lanes.filter((lane) => lane.runner).length} runners, ` +
      `${this.range ? "a part of the time" : "all of the time"} is shown. Ctrl and the wheel, or + and −, zoom.`;
  }

  axis(pen, colour, span, x, height) {
    const most = Math.max(1, Math.min(6, (this.box.clientWidth - FanfoldTimeline.LEFT) / 64));
    const rough = span / most, power = 10 ** Math.floor(Math.log10(rough || 1));
    const step = [1, 2, 5, 10].find((times) => times * power >= rough) * power, ahead = this.data.from - this.data.first;
    for (let time = Math.ceil(ahead / step) * step; time <= ahead + span; time += step) {
      const at = x(time - ahead);
      pen.fillStyle = colour.line; pen.fillRect(at, FanfoldTimeline.TOP - 6, 1, height);
      if (at > this.box.clientWidth - 52) continue;
      pen.fillStyle = colour.quiet;
      pen.fillText(FanfoldTimeline.span(time), at + 3, 8);
    }
  }

  static span(ms) {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    if (s < 120) return `${+s.toFixed(1)} s`;
    return s < 7200 ? `${+(s / 60).toFixed(1)} min` : `${+(s / 3600).toFixed(1)} h`;
  }

  cells(pen, colour, lane, y, column) {
    const most = lane.cells.reduce((found, cell) => Math.max(found, cell[1]), 1), { LANE, LEFT } = FanfoldTimeline;
    for (const [place, count, failed] of lane.cells) {
      pen.globalAlpha = .35 + .65 * Math.min(1, count / most);
      pen.fillStyle = colour.accent;
      pen.fillRect(LEFT + place * column, y + 4, Math.max(1, column), LANE - 8);
      pen.globalAlpha = 1;
      if (failed) { pen.fillStyle = colour.bad; pen.fillRect(LEFT + place * column, y + 1, Math.max(2, column), 5); }
    }
  }

  bar(pen, colour, [begin, program, over, end, kind], y, x) {
    const { LANE } = FanfoldTimeline, left = x(begin), right = Math.max(left + 1, x(end) - .5), top = y + 4, tall = LANE - 8;
    const middle = program < 0 ? right : Math.min(right, x(program));
    pen.fillStyle = colour.stage; pen.fillRect(left, top, middle - left, tall);
    pen.fillStyle = [colour.accent, colour.bad, colour.still, colour.accent][kind];
    pen.globalAlpha = kind === 3 ? .6 : 1;
    pen.fillRect(middle, top, right - middle, tall);
    pen.globalAlpha = 1;
    const done = over < 0 ? right : Math.min(right, x(over));
    if (right - done > 1) { pen.fillStyle = colour.out; pen.fillRect(done, top, right - done, tall); }
    if (kind === 1 && right - left > 9) {
      pen.strokeStyle = colour.sunk; pen.lineWidth = 1.5; pen.beginPath();
      const mid = (left + right) / 2, height = top + tall / 2;
      pen.moveTo(mid - 3, height - 3); pen.lineTo(mid + 3, height + 3); pen.moveTo(mid + 3, height - 3); pen.lineTo(mid - 3, height + 3);
      pen.stroke();
    }
  }

  under(event) {
    if (!this.data) return null;
    const lane = this.data.lanes[Math.floor((event.offsetY - FanfoldTimeline.TOP) / FanfoldTimeline.LANE)];
    if (!lane || event.offsetX < FanfoldTimeline.LEFT) return null;
    const time = this.at(event) - this.data.from;
    const bar = lane.bars.find((one) => one[0] <= time && time <= one[3]);
    if (bar) return { lane, bar };
    const place = Math.floor((time / (this.data.to - this.data.from)) * this.data.columns);
    const cell = lane.cells.find((one) => Math.abs(one[0] - place) <= 1);
    return cell ? { lane, cell } : null;
  }

  hover(event) {
    const found = this.under(event);
    this.box.classList.toggle("hit", Boolean(found?.bar));
    if (!found) { this.tip.hidden = true; return; }
    this.tip.textContent = found.bar
      ? this.parts(found)
      : `${found.cell[1]} attempts, ${found.cell[2]} of them failed; zoom in to see each`;
    this.tip.hidden = false;
    this.tip.style.left = `${Math.min(event.offsetX + 12, this.box.clientWidth - this.tip.offsetWidth - 4)}px`;
    this.tip.style.top = `${event.offsetY + 16}px`;
  }

  parts({ lane, bar: [begin, program, over, end, kind, chunk, attempt] }) {
    const word = ["succeeded", "failed", "stopped", "under way"], span = FanfoldTimeline.span;
    const told = [`chunk ${chunk}, attempt ${attempt}: ${word[kind]}`, lane.runner ? `on ${lane.name}` : "waits for a runner"];
    if (program < 0) return [...told, `${span(end - begin)} so far`].slice(0, kind === 3 ? 3 : 2).join(", ");
    told.push(`staged in ${span(program - begin)}`, `ran ${span((over < 0 ? end : over) - program)}`);
    if (over >= 0) told.push(`staged out ${span(end - over)}`);
    return told.join(", ");
  }

  open(event) {
    const found = this.under(event);
    if (found?.bar) location.assign(this.tasks + found.bar[5]);
    else if (found) this.zoom(.2, this.at(event));
  }
};
