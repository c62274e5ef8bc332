// Follows a log within a window of lines: the page never holds more than MOST of them, however many come.
"use strict";
(() => {
  const MOST = 3000;
  const log = document.querySelector("[data-log]"), told = document.querySelector("[data-log-told]");
  if (!log) return;
  let stream = null, came = 0, dropped = 0;

  const button = document.querySelector("[data-follow]");
  button.addEventListener("click", () => stream ? stop("Stopped.") : start());

  function start() {
    log.hidden = false;
    document.querySelector("[data-none]")?.remove();
    log.querySelector(".more")?.remove();
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
    came += 1;
    while (lines.length > MOST) { lines[0].remove(); dropped += 1; }
    if (low) log.scrollTop = log.scrollHeight;
    told.textContent = dropped ? `Following; ${dropped.toLocaleString("en")} earlier lines left this page.` : "Following.";
  }

  document.querySelector("[data-jump]").addEventListener("click", () => {
    const all = [...log.querySelectorAll(".line.ERROR")];
    if (!all.length) { told.textContent = "No error among the lines shown here."; return; }
    const here = all.findIndex((line) => line.classList.contains("found"));
    all[here]?.classList.remove("found");
    const next = all[(here + 1) % all.length];
    next.classList.add("found");
    next.scrollIntoView({ block: "center" });
    told.textContent = `Error ${(here + 1) % all.length + 1} of ${all.length} shown here.`;
  });
})();
