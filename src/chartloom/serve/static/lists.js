/* Reconciled lists: the letters on a line's buttons decide, w opens why, u takes the last word back.
   Everything works without it, by buttons. */
"use strict";
(() => {
  const on = () => {
    try { return localStorage.getItem("chartloom-keys") !== "off"; } catch { return true; }
  };
  let lastG = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.repeat || !on()) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    if (event.key === "g") { lastG = Date.now(); return; }
    if (Date.now() - lastG < 1500) return;
    const line = event.target.closest("[data-line]");
    if (!line) {
      const undo = event.key === "u" ? document.querySelector("[data-undo]") : null;
      if (undo) { event.preventDefault(); undo.click(); }
      return;
    }
    if (event.key === "w") {
      event.preventDefault();
      const why = line.querySelector("details");
      why.open = !why.open;
      return;
    }
    const button = [...line.querySelectorAll("[data-line-key]")]
      .find((one) => one.dataset.lineKey === event.key);
    if (button) { event.preventDefault(); button.click(); }
  });
  /* After a decision the keyboard goes on where the list begins. */
  if (document.querySelector("[data-undo]")) {
    const next = document.querySelector("[data-line] .row-link");
    if (next) next.focus({ preventScroll: true });
  }
})();
