/* Chartloom console: everything here is an addition; every page works without it. */
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const $ = (selector, scope = document) => scope.querySelector(selector);
  const $$ = (selector, scope = document) => [...scope.querySelectorAll(selector)];
  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  /* Live regions: the same page is fetched again and the part with the same id is exchanged. */
  let paused = false;
  const busyReading = (part) => {
    const selection = document.getSelection();
    return (
      document.hidden || paused || $("dialog[open]") ||
      part.contains(document.activeElement) || $("details[open]", part) ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode))
    );
  };
  const refresh = async (part) => {
    if (busyReading(part)) return;
    const url = part.dataset.refreshUrl || location.pathname + location.search;
    let answer;
    try {
      const headers = { Accept: "text/html", "Chartloom-Refresh": "1" };
      answer = await fetch(url, { credentials: "same-origin", headers });
    } catch {
      root.classList.add("offline");
      return;
    }
    if (!answer.ok) return;
    root.classList.remove("offline");
    const page = parse(await answer.text());
    const fresh = page.getElementById(part.id);
    if (!fresh || busyReading(part)) return;
    if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    const clock = $("[data-clock]", page);
    if (clock) $("[data-clock]").replaceChildren(...clock.childNodes);
  };
  $$("[data-refresh]").forEach((part) => {
    setInterval(() => refresh(part), Number(part.dataset.refresh) * 1000);
  });
  const setPaused = (value) => {
    paused = value;
    $$("[data-pause]").forEach((button) => {
      button.setAttribute("aria-pressed", String(value));
      button.textContent = value ? "Resume updates" : "Pause updates";
    });
  };

  /* Dialogs: evidence as a panel, help as a sheet. Focus goes in, and comes back. */
  const dialogOf = (kind) => {
    let dialog = document.getElementById(`dialog-${kind}`);
    if (dialog) return dialog;
    dialog = document.createElement("dialog");
    dialog.id = `dialog-${kind}`;
    dialog.className = kind;
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    return dialog;
  };
  const openIn = async (kind, url, pick, opener) => {
    let answer;
    try {
      answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } });
    } catch {
      location.assign(url);
      return;
    }
    const part = answer.ok ? $(pick, parse(await answer.text())) : null;
    if (!part) {
      location.assign(url);
      return;
    }
    const dialog = dialogOf(kind);
    const bar = document.createElement("div");
    bar.className = "panel-bar";
    const full = document.createElement("a");
    full.href = url;
    full.textContent = "Open as a page";
    const close = document.createElement("button");
    close.type = "button";
    close.className = "quiet";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    bar.append(full, close);
    const body = document.createElement("div");
    body.className = "panel-body";
    body.append(document.adoptNode(part));
    prefix(body, `${kind}-`);
    dialog.replaceChildren(bar, body);
    const title = $("h1", body);
    if (title) dialog.setAttribute("aria-labelledby", title.id);
    dialog.onclose = () => {
      dialog.replaceChildren();
      if (opener && opener.isConnected) opener.focus();
    };
    if (!dialog.open) dialog.showModal();
    if (title) title.focus();
    const mark = $(".bv mark", body);
    if (mark) centre(mark, mark.closest(".bv"));
  };
  /* Ids and anchors of a page shown inside another page must not clash with it. */
  const prefix = (scope, text) => {
    $$("[id]", scope).forEach((element) => { element.id = text + element.id; });
    $$('a[href^="#"]', scope).forEach((link) => {
      link.setAttribute("href", `#${text}${link.getAttribute("href").slice(1)}`);
    });
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      $$(`[${name}]`, scope).forEach((element) => {
        element.setAttribute(name, element.getAttribute(name).split(" ").map((id) => text + id).join(" "));
      });
    }
  };
  const centre = (element, box) => {
    if (!box) return;
    const a = element.getBoundingClientRect();
    const b = box.getBoundingClientRect();
    if (a.top < b.top || a.bottom > b.bottom) {
      box.scrollTop += a.top - b.top - b.height / 3;
    }
  };

  /* Bytes: rows and values that know their spans light them up. */
  const overlaps = (run, spans) => {
    const a = Number(run.dataset.a);
    const b = Number(run.dataset.b);
    return spans.some(([from, to]) => a < to && b > from);
  };
  const spansOf = (element) =>
    element.dataset.spans.split(" ").map((span) => span.split("-").map(Number));
  const light = (element) => {
    const scope = element.closest("dialog") || document;
    dim(scope);
    const spans = spansOf(element);
    const runs = $$(".bv [data-a]", scope).filter((run) => overlaps(run, spans));
    runs.forEach((run) => run.classList.add("lit"));
    if (runs.length) centre(runs[0], runs[0].closest(".bv"));
  };
  const dim = (scope) => $$(".lit", scope).forEach((run) => run.classList.remove("lit"));
  const lightRows = (run) => {
    $$(".lit-row").forEach((row) => row.classList.remove("lit-row"));
    if (!run) return;
    $$("tr[data-spans]").filter((row) => overlaps(run, spansOf(row)))
      .forEach((row) => row.classList.add("lit-row"));
  };
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const spanned = event.target.closest("[data-spans]");
      if (spanned) light(spanned);
      const leaf = event.target.closest(".bv-leaf");
      const where = $("[data-where]");
      if (where && leaf && !leaf.closest("dialog")) {
        where.textContent = `${leaf.title} bytes ${leaf.dataset.a}–${leaf.dataset.b}`;
        lightRows(leaf);
      }
    });
  }

  /* Clicks */
  document.addEventListener("click", (event) => {
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
    const link = event.target.closest("a[data-evidence], a[data-help]");
    if (link && plain) {
      event.preventDefault();
      const help = link.hasAttribute("data-help");
      openIn(help ? "sheet" : "panel", link.href, help ? "#help" : "#evidence", link);
      return;
    }
    const pause = event.target.closest("[data-pause]");
    if (pause) setPaused(!paused);
    const keys = event.target.closest("[data-keys-toggle]");
    if (keys) setKeys(!keysOn);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => $$("[data-sent]").forEach((form) => { delete form.dataset.sent; }));
  document.addEventListener("change", (event) => {
    const all = event.target.closest("[data-check-all]");
    if (!all) return;
    $$(`input[name="${all.dataset.checkAll}"]`).forEach((box) => { box.checked = all.checked; });
  });

  /* Keyboard. Single keys can be turned off (they are in the way of some assistive software). */
  let keysOn = true;
  try { keysOn = localStorage.getItem("chartloom-keys") !== "off"; } catch { /* private mode */ }
  const setKeys = (value) => {
    keysOn = value;
    try { localStorage.setItem("chartloom-keys", value ? "on" : "off"); } catch { /* private mode */ }
    showKeys();
  };
  const showKeys = () => {
    $$("[data-keys-toggle]").forEach((button) => {
      button.setAttribute("aria-pressed", String(!keysOn));
      button.textContent = keysOn ? "Turn single-key shortcuts off" : "Turn single-key shortcuts on";
    });
    $$("[data-keys-line]").forEach((line) => { line.hidden = !keysOn; });
  };
  const rooms = { c: "/chart", d: "/directory", f: "/feeds", i: "/identity", m: "/messages", q: "/quarantine" };
  let awaiting = 0;
  const step = (selector, by) => {
    const scope = $("dialog[open]") || document;
    const all = $$(selector, scope).filter((element) => element.offsetParent !== null);
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
    all[next].focus();
  };
  const actions = {
    "?": () => openIn("sheet", "/help", "#help", document.activeElement).then(showKeys),
    "/": () => { const field = $("[data-search]"); if (field) { field.focus(); field.select(); } },
    j: () => step(".row-link, tr[data-spans] a", 1),
    k: () => step(".row-link, tr[data-spans] a", -1),
    e: () => step("a[data-evidence]", 1),
    E: () => step("a[data-evidence]", -1),
    p: () => setPaused(!paused),
  };
  document.addEventListener("keydown", (event) => {
    if (!keysOn || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    if ($("dialog[open]") && !"eE".includes(event.key)) return;
    if (awaiting && Date.now() - awaiting < 1500 && rooms[event.key]) {
      event.preventDefault();
      location.assign(rooms[event.key]);
      return;
    }
    awaiting = event.key === "g" ? Date.now() : 0;
    /* Keys that a page gives to its buttons. A key held down decides once, not pair after pair. */
    const own = $$("[data-key]").find((element) => element.dataset.key === event.key);
    if (own) {
      event.preventDefault();
      if (!event.repeat) own.click();
      return;
    }
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
  showKeys();
  $$(".bv mark").slice(0, 1).forEach((mark) => centre(mark, mark.closest(".bv")));
})();
