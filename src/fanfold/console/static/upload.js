// Sends a chosen or dropped file to its signed link, tells how far it is, and that it is whole.
"use strict";
(() => {
  const box = document.querySelector("[data-drop]");
  if (!box) return;
  const file = box.querySelector("input[type=file]"), bar = box.querySelector("progress");
  const told = box.querySelector("[data-told]"), stop = box.querySelector("[data-stop]");
  let request = null;

  for (const name of ["dragenter", "dragover"]) box.addEventListener(name, (event) => { event.preventDefault(); box.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) box.addEventListener(name, (event) => { event.preventDefault(); box.classList.remove("over"); });
  box.addEventListener("drop", (event) => {
    const [first, second] = event.dataTransfer.files;
    if (second) { told.textContent = "One file at a time; pack several into a zip or tar."; return; }
    if (first) send(first);
  });
  file.addEventListener("change", () => { if (file.files[0]) send(file.files[0]); });
  if (file.files[0]) setTimeout(() => send(file.files[0]));  // chosen before this script was here
  stop.addEventListener("click", () => request?.abort());

  function size(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (bytes >= 1024 && unit < 4) { bytes /= 1024; unit += 1; }
    return `${bytes.toFixed(unit && bytes < 100 ? 1 : 0)} ${units[unit]}`;
  }

  function send(chosen) {
    if (request) return;
    request = new XMLHttpRequest();
    const began = performance.now();
    bar.hidden = stop.hidden = false; file.disabled = true;
    request.upload.onprogress = (event) => {
      bar.max = event.total; bar.value = event.loaded;
      const rate = event.loaded / Math.max(.001, (performance.now() - began) / 1000);
      told.textContent = `${size(event.loaded)} of ${size(event.total)}, ${size(rate)} a second`;
    };
    request.onload = () => request.status === 200 ? whole() : over(words(request));
    request.onerror = () => over("The connection was cut. Send it again; nothing of it was kept.");
    request.onabort = () => over("Stopped; nothing of it was kept.");
    request.open("PUT", box.dataset.drop);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Content-Disposition", `attachment; filename*=UTF-8''${encodeURIComponent(chosen.name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)}`);
    request.send(chosen);
  }

  function words(answer) {
    try { return JSON.parse(answer.responseText).message; } catch { return `The server said ${answer.status}.`; }
  }

  function over(why) {
    request = null; bar.hidden = stop.hidden = true; file.disabled = false; file.value = "";
    told.textContent = why;
  }

  function whole() {
    told.textContent = "All is sent.";
    window.htmx.ajax("POST", box.dataset.done, { target: "#upload", swap: "innerHTML", source: "#upload" });
  }
})();
