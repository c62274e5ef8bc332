// What every page has: times that stay true, copy buttons, a menu that opens where it is narrow. All pages work without it.
"use strict";
(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function ago(at) {
    const seconds = Math.round((Date.now() - at.getTime()) / 1000), size = Math.abs(seconds);
    if (size < 1) return "now";
    const [unit, word] = UNITS.find(([each]) => size >= each);
    const told = `${Math.round(size / unit)} ${word}`;
    return seconds > 0 ? `${told} ago` : `in ${told}`;
  }

  function times(root) {
    for (const element of root.querySelectorAll("time[data-ago]")) {
      const told = ago(new Date(element.dateTime));
      if (element.textContent !== told) element.textContent = told;
      element.title = exact(element.dateTime);
    }
    for (const element of root.querySelectorAll("time[data-clock]:not([data-seen])")) {
      element.dataset.seen = "";
      element.textContent = new Date(element.dateTime).toLocaleTimeString("en-GB");
      element.title = exact(element.dateTime);
    }
  }

  function exact(text) {
    const at = new Date(text);
    return `${at.toLocaleString("sv-SE")} here, ${text}`;
  }

  function copies(root) {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    navigator.clipboard.writeText(button.dataset.copy).then(() => {
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    }, () => { button.textContent = "not allowed"; });
  });

  document.addEventListener("submit", (event) => {
    const asked = event.submitter?.dataset.sure;
    if (asked && !window.confirm(asked)) event.preventDefault();
  });

  const narrow = matchMedia("(max-width: 820px)");
  function menu() {
    const found = document.querySelector("[data-menu]");
    if (found) found.open = !narrow.matches;
  }
  narrow.addEventListener("change", menu);

  function freshen(root) { times(root); copies(root); }

  document.addEventListener("htmx:afterSwap", () => freshen(document));
  document.addEventListener("htmx:sseMessage", () => freshen(document));
  menu();
  freshen(document);
  setInterval(() => { if (!document.hidden) times(document); }, 5000);
  document.querySelector("[data-focus]")?.focus();
})();
