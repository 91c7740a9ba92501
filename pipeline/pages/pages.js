// Search: a box that finds names, by keys alone. Graph: what is next to a row stands out.
"use strict";

(function search() {
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  const index = window.pipelinePages;
  const root = document.documentElement.dataset.root;
  if (!index) return;
  box.disabled = false;

  const SHOWN = 100; // the list scrolls
  let chosen = 0;

  // How well a name answers what was typed: the smaller the better, -1 if it does not.
  function rank(name, typed) {
    const text = name.toLowerCase();
    if (text === typed) return 0;
    if (text.startsWith(typed)) return 1;
    const words = text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    if (words.some((word) => word.startsWith(typed))) return 2;
    if (words.map((word) => word[0]).join("").startsWith(typed)) return 3;
    if (text.includes(typed)) return 4;
    const parts = typed.split(/\s+/).filter(Boolean);
    if (parts.length > 1 && parts.every((part) => text.includes(part))) return 5;
    let at = -1; // the letters in their order
    for (const letter of typed) {
      at = text.indexOf(letter, at + 1);
      if (at < 0) return -1;
    }
    return 6;
  }

  function find(typed) {
    const found = [];
    for (const [kind, name, about, page, anchor] of index.found) {
      const how = rank(name, typed);
      if (how >= 0) found.push({ how, kind, name, about, page, anchor });
    }
    found.sort((a, b) => a.how - b.how || a.kind - b.kind || a.name.length - b.name.length);
    return found.slice(0, SHOWN);
  }

  function show() {
    const typed = box.value.trim().toLowerCase();
    const found = typed ? find(typed) : [];
    list.replaceChildren(...found.map(item));
    if (typed && !found.length) list.append(nothing());
    list.hidden = !typed;
    box.setAttribute("aria-expanded", String(!list.hidden));
    choose(0);
  }

  function item(of, i) {
    const entry = document.createElement("li");
    entry.id = "found-" + i;
    entry.setAttribute("role", "option");
    const link = document.createElement("a");
    link.href = root + index.paths[of.page] + (of.anchor ? "#" + of.anchor : "");
    link.tabIndex = -1;
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = of.name;
    const about = document.createElement("small");
    about.textContent = [index.kinds[of.kind], of.about].filter(Boolean).join(" · ");
    link.append(name, about);
    link.addEventListener("click", close);
    entry.append(link);
    return entry;
  }

  function nothing() {
    const entry = document.createElement("li");
    const text = document.createElement("p");
    text.textContent = "Nothing of that name.";
    entry.append(text);
    return entry;
  }

  function choose(i) {
    const options = list.querySelectorAll("[role=option]");
    chosen = options.length ? (i + options.length) % options.length : 0;
    options.forEach((option, n) => option.setAttribute("aria-selected", String(n === chosen)));
    if (options.length) {
      box.setAttribute("aria-activedescendant", options[chosen].id);
      options[chosen].scrollIntoView({ block: "nearest" });
    } else {
      box.removeAttribute("aria-activedescendant");
    }
  }

  function close() {
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  box.addEventListener("input", show);
  box.addEventListener("focus", () => box.value && show());
  box.addEventListener("blur", () => setTimeout(() => list.contains(document.activeElement) || close(), 150));
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") list.querySelectorAll("[role=option] a")[chosen]?.click();
    else if (event.key === "Escape") { box.value = ""; close(); box.blur(); }
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  });
})();

(function graph() {
  for (const list of document.querySelectorAll(".lanes")) {
    const rows = [...list.children];
    const inputs = rows.map((row) => (row.querySelector("[data-inputs]")?.dataset.inputs || "").split(" ").filter(Boolean).map(Number));
    function mark(at) {
      rows.forEach((row, i) => row.classList.toggle("is-near", at >= 0 && (i === at || inputs[at].includes(i) || inputs[i].includes(at))));
    }
    rows.forEach((row, i) => {
      row.addEventListener("pointerenter", () => mark(i));
      row.addEventListener("focusin", () => mark(i));
    });
    list.addEventListener("pointerleave", () => mark(-1));
    list.addEventListener("focusout", () => mark(-1));
  }
})();
