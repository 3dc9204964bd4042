// Search-as-you-type over the codes and the index: the combobox pattern of ARIA, with the list below the box.

import { h, hidden, plural } from "./dom.js";
import { get } from "./session.js";

let counter = 0;

/**
 * @param {{label: string, on: string, first: Array, choose: (code) => void, hint?: string}} given
 *   `on`: the date that chooses the release; `first`: codes offered while the box is empty [{code, title, matched, billable, group}].
 */
export function codeSearch({ label, on, first = [], choose, hint = "" }) {
  counter += 1;
  const [boxId, listId, hintId] = [`code-box-${counter}`, `code-list-${counter}`, `code-hint-${counter}`];
  let items = [];
  let active = -1;
  let running = null;
  let timer = 0;

  const status = h("p", { class: "search-status", role: "status" });
  const list = h("ul", { role: "listbox", id: listId, class: "code-list", "aria-label": label, tabindex: -1 });
  const box = h("input", {
    id: boxId, type: "text", class: "code-box", role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId,
    "aria-describedby": hintId, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    on: { input: () => { clearTimeout(timer); timer = setTimeout(search, 70); }, keydown: onKey },
  });
  const element = h(
    "div", { class: "code-search" },
    h("label", { for: boxId }, label), box,
    h("p", { id: hintId, class: "hint" }, hint || "Type words or a code. ↑ ↓ move, Enter takes."),
    status, list,
  );

  function onKey(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (items.length) mark((active + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (items[active]) take(items[active]);
    } else if (event.key === "Escape" && box.value) {
      event.preventDefault(); // the first Escape empties the box, the next one closes the dialog
      event.stopPropagation();
      box.value = "";
      search();
    }
  }

  function take(item) {
    if (item.billable === false) {
      open(item);
      return;
    }
    choose({ system: item.system ?? "ICD-10-CM", code: item.code, description: item.title });
  }

  async function open(item) {
    running?.abort();
    running = new AbortController();
    box.value = item.code;
    try {
      const card = await get(`/codes/${encodeURIComponent(item.code)}${on ? `?on=${on}` : ""}`, { signal: running.signal });
      show(card.children.map((child) => ({ ...child, system: card.system, matched: "", group: `Below ${card.code} ${card.title}` })));
    } catch (error) {
      fail(error);
    }
  }

  async function search() {
    running?.abort();
    const words = box.value.trim();
    if (!words) {
      show(first);
      return;
    }
    running = new AbortController();
    const query = new URLSearchParams({ q: words, limit: "20" });
    if (on) query.set("on", on);
    try {
      const answer = await get(`/codes/search?${query}`, { signal: running.signal });
      show(answer.items, answer.release);
    } catch (error) {
      fail(error);
    }
  }

  function fail(error) {
    if (error.name === "AbortError") return;
    show([]);
    status.textContent = `The search did not work: ${error.message}`;
  }

  function show(found, release = "") {
    items = found;
    let group = "";
    const rows = [];
    found.forEach((item, i) => {
      if (item.group && item.group !== group) {
        group = item.group;
        rows.push(h("li", { role: "presentation", class: "code-group" }, group));
      }
      rows.push(
        h("li", { role: "option", id: `${listId}-${i}`, class: item.billable === false ? "code-option header-code" : "code-option", "aria-selected": "false",
          on: { click: () => take(item), mousemove: () => mark(i, false) } },
          h("span", { class: "code" }, item.code), h("span", { class: "code-title" }, item.title,
            item.matched && h("span", { class: "matched" }, hidden("found by "), item.matched)),
          item.billable === false && h("span", { class: "tag" }, "category: opens its codes"),
        ),
      );
    });
    list.replaceChildren(...rows);
    box.setAttribute("aria-expanded", String(found.length > 0));
    const empty = box.value.trim() ? "No code found. Try fewer or other words." : "";
    status.textContent = found.length ? `${plural(found.length, "code")}${release ? ` · ${release}` : ""}` : empty;
    mark(found.length ? 0 : -1);
  }

  function mark(i, scroll = true) {
    list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    active = i;
    const row = i >= 0 ? list.querySelector(`[id="${listId}-${i}"]`) : null;
    if (!row) {
      box.removeAttribute("aria-activedescendant");
      return;
    }
    row.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", row.id);
    if (scroll) row.scrollIntoView({ block: "nearest" });
  }

  show(first);
  return { element, box };
}
