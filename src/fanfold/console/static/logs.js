// Follows a log within a window of lines: the page never holds more than MOST of them, however many come.
"use strict";
(() => {
  const MOST = 3000;
  const log = document.querySelector("[data-log]"), told = document.querySelector("[data-log-told]");
  if (!log) return;
  let stream = null, dropped = 0, below = null;

  const button = document.querySelector("[data-follow]");
  button.addEventListener("click", () => stream ? stop("Stopped.") : start());

  function start() {
    log.hidden = false;
    document.querySelector("[data-none]")?.remove();
    log.querySelector(".more:not(.earlier)")?.remove();
    button.setAttribute("aria-pressed", "true");
    told.textContent = "Waiting for lines …";
    stream = new EventSource(button.dataset.follow);
    stream.addEventListener("lines", (event) => add(event.data));
    stream.addEventListener("end", () => stop("The job has ended; that was its last line."));
    stream.onerror = () => { told.textContent = "The connection was cut; it is taken up again."; };
  }

  function stop(why) {
    stream.close(); stream = null;
    button.setAttribute("aria-pressed", "false");
    told.textContent = why;
  }

  function add(markup) {
    const low = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.insertAdjacentHTML("beforeend", markup);
    const lines = log.getElementsByClassName("line");
    while (lines.length > MOST) { lines[0].remove(); dropped += 1; }
    if (dropped) log.querySelector(".earlier")?.remove();
    if (low) log.scrollTop = log.scrollHeight;
    told.textContent = dropped ? `Following; ${dropped.toLocaleString("en")} earlier lines left this page.` : "Following.";
  }

  document.querySelector("[data-jump]").addEventListener("click", () => {
    const all = [...log.querySelectorAll(".line.ERROR")], further = log.querySelector("[data-error]")?.dataset.error;
    const here = all.findIndex((line) => line.classList.contains("found"));
    if (here + 1 >= all.length && further) { told.textContent = "Looking for it …"; location.assign(further); return; }
    if (!all.length) { told.textContent = "No error among the lines shown here."; return; }
    all[here]?.classList.remove("found");
    const next = all[(here + 1) % all.length];
    next.classList.add("found");
    next.scrollIntoView({ block: "center" });
    told.textContent = `Error ${(here + 1) % all.length + 1} of ${all.length} shown here.`;
  });

  // Earlier lines come above what is read, which stays where it is.
  document.addEventListener("htmx:beforeSwap", (event) => {
    below = event.detail.target.matches(".earlier") ? log.scrollHeight - log.scrollTop : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (below !== null) log.scrollTop = log.scrollHeight - below;
    below = null;
  });
  document.getElementById("at")?.scrollIntoView({ block: "center" });
})();
