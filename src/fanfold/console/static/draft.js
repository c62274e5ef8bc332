// Shows the params that the chosen kind of place has, and the params of other programs once they are named.
"use strict";
(() => {
  for (const place of document.querySelectorAll("[data-place]")) {
    const kind = place.querySelector("[data-kind]");
    const show = () => {
      for (const row of place.querySelectorAll("[data-for]")) row.hidden = !row.dataset.for.split(" ").includes(kind.value);
    };
    kind.addEventListener("change", show);
    show();
  }
  const reload = document.querySelector("[data-reload]");
  for (const program of document.querySelectorAll("[data-program]")) {
    program.addEventListener("change", () => { if (program.value.trim()) reload.click(); });
  }
})();
