// The documents of a chart: tabs, the text with its marks, search, and what is selected. Offsets here are UTF-16 units.

import { button, h, hidden } from "./dom.js";
import { Offsets, cut, pieces } from "./offsets.js";

const LINE_PX = 26;
const LINE_CHARACTERS = 90;

export class NoteView {
  /**
   * @param {{tabs: Element, panels: Element, find: Element}} places
   * @param {{describe: (marks) => {className, say}, onMark: (rows) => void}} chart
   */
  constructor(places, chart) {
    this.places = places;
    this.chart = chart;
    this.documents = [];
    this.active = 0;
    this.nodes = new WeakMap(); // text node -> {document, start}
    this.elements = new Map(); // row key -> Set of mark elements
    this.hits = [];
    this.hit = -1;
  }

  load(documents) {
    this.documents = documents.map((given, index) => ({
      ...given, index, offsets: new Offsets(given.text), marks: [], chunks: null, panel: null, tab: null,
    }));
    const { tabs, panels } = this.places;
    panels.replaceChildren();
    tabs.replaceChildren();
    for (const it of this.documents) {
      it.count = h("span", { class: "tab-count", hidden: true });
      it.tab = h(
        "button",
        { type: "button", role: "tab", id: `tab-${it.index}`, "aria-controls": `panel-${it.index}`, "aria-selected": "false", tabindex: -1,
          on: { click: () => this.show(it.index, { top: true }), keydown: (event) => this.#onTabKey(event) } },
        h("span", { class: "tab-title" }, it.title), it.date && h("span", { class: "tab-date" }, it.date), it.count,
      );
      it.panel = h("div", { class: "note-text", role: "tabpanel", id: `panel-${it.index}`, "aria-labelledby": `tab-${it.index}`, tabindex: 0, hidden: true });
      it.panel.addEventListener("click", (event) => this.#onClick(event));
      tabs.append(it.tab);
      panels.append(it.panel);
    }
    if (this.documents.length) this.show(0);
  }

  /** Take the marks of a document; what stands already is only drawn again where it changed. */
  setMarks(index, marks) {
    const it = this.documents[index];
    it.marks = marks;
    if (it.chunks) for (const chunk of it.chunks) this.#fill(it, chunk);
  }

  addMark(index, mark) {
    const it = this.documents[index];
    it.marks.push(mark);
    if (it.chunks) for (const chunk of it.chunks) if (chunk.start < mark.end && chunk.end > mark.start) this.#fill(it, chunk);
  }

  show(index, { top = false } = {}) {
    const it = this.documents[index];
    if (!it.chunks) this.#build(it);
    for (const other of this.documents) {
      const on = other === it;
      other.panel.hidden = !on;
      other.tab.setAttribute("aria-selected", String(on));
      other.tab.tabIndex = on ? 0 : -1;
    }
    const changed = this.active !== index;
    this.active = index;
    if (changed || top) it.panel.scrollTop = 0;
    it.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** How many places of the current code stand in each document. */
  setCounts(counts) {
    for (const it of this.documents) {
      const n = counts.get(it.index) ?? 0;
      it.count.hidden = n === 0;
      it.count.replaceChildren(String(n), hidden(` ${n === 1 ? "place" : "places"} of the current code`));
    }
  }

  /** Draw the marks of these rows as they are now. */
  refresh(rows) {
    for (const row of rows) for (const element of this.elements.get(row) ?? []) this.#dress(element);
  }

  /** Bring a range to view and put the ring around it. */
  reveal(index, start, end) {
    this.show(index);
    const it = this.documents[index];
    for (const element of this.ringed ?? []) element.classList.remove("ring");
    const chunk = it.chunks.find((c) => c.start <= start && start < c.end);
    this.ringed = chunk ? [...chunk.element.querySelectorAll("mark")].filter((m) => m.span[0] < end && m.span[1] > start) : [];
    for (const element of this.ringed) element.classList.add("ring");
    this.#scrollTo(it, start);
  }

  /** The words selected by mouse or keyboard, or by the search: {document, start, end, text}, or null. */
  selection() {
    const selected = document.getSelection();
    if (!selected || selected.isCollapsed || !selected.rangeCount) return null;
    const range = selected.getRangeAt(0);
    const from = this.#place(range.startContainer, range.startOffset, true);
    const to = this.#place(range.endContainer, range.endOffset, false);
    if (!from || !to || from.document !== to.document) return null;
    const { text } = from.document;
    let [start, end] = [from.at, to.at];
    while (start < end && /\s/.test(text[start])) start += 1;
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    return start < end ? { document: from.document.index, start, end, text: text.slice(start, end) } : null;
  }

  select(index, start, end) {
    const range = this.#range(this.documents[index], start, end);
    if (!range) return;
    const selected = document.getSelection();
    selected.removeAllRanges();
    selected.addRange(range);
  }

  /** Every place of some words, over all documents, in order; white space counts as one blank. */
  occurrences(words, limit = 500) {
    const wanted = words.trim();
    if (!wanted) return [];
    const pattern = new RegExp(wanted.split(/\s+/).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+"), "giu");
    const found = [];
    for (const it of this.documents) {
      for (const match of it.text.matchAll(pattern)) {
        found.push({ document: it.index, start: match.index, end: match.index + match[0].length });
        if (found.length === limit) return found;
      }
    }
    return found;
  }

  // ------------------------------------------------------------------------------------------------- search in the note

  openFind() {
    const { find } = this.places;
    if (!find.childElementCount) this.#buildFind();
    find.hidden = false;
    this.findBox.value = this.selection()?.text.slice(0, 80) ?? this.findBox.value;
    this.findBox.focus();
    this.findBox.select();
    this.#search();
  }

  closeFind({ keep = false } = {}) {
    this.places.find.hidden = true;
    if (globalThis.Highlight) {
      CSS.highlights.delete("found");
      CSS.highlights.delete("found-now");
    }
    const now = this.hits[this.hit];
    this.documents[this.active].panel.focus({ preventScroll: true });
    if (keep && now) this.select(now.document, now.start, now.end);
  }

  #buildFind() {
    this.findBox = h("input", {
      type: "search", id: "find-box", autocomplete: "off", spellcheck: "false", placeholder: "Find words in the note",
      on: {
        input: () => this.#search(),
        keydown: (event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.closeFind({ keep: true });
          else if (event.key === "Enter") this.#step(event.shiftKey ? -1 : 1);
          else if (event.key === "Escape") this.closeFind({ keep: true });
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
      },
    });
    this.findCount = h("span", { class: "find-count", role: "status" });
    this.places.find.append(
      h("label", { for: "find-box", class: "visually-hidden" }, "Find words in the note"), this.findBox, this.findCount,
      button("Previous", { className: "button small", on: () => this.#step(-1) }),
      button("Next", { className: "button small", keys: "Enter", on: () => this.#step(1) }),
      button("Done", { className: "button small", keys: "Esc", on: () => this.closeFind({ keep: true }), title: "Close; the words stay selected, so that n can add a code for them" }),
    );
  }

  #search() {
    this.hits = this.occurrences(this.findBox.value);
    const from = this.hits.findIndex((found) => found.document >= this.active);
    this.hit = this.hits.length ? Math.max(0, from) : -1;
    this.#drawHits();
  }

  #step(by) {
    if (!this.hits.length) return;
    this.hit = (this.hit + by + this.hits.length) % this.hits.length;
    this.#drawHits();
  }

  #drawHits() {
    const now = this.hits[this.hit];
    if (now) {
      this.show(now.document);
      this.#scrollTo(this.documents[now.document], now.start);
    }
    this.findCount.textContent = now ? `${this.hit + 1} of ${this.hits.length}` : this.findBox.value.trim() ? "Not found" : "";
    if (!globalThis.Highlight) {
      if (now) this.select(now.document, now.start, now.end);
      return;
    }
    const here = this.hits.filter((found) => found.document === this.active && found !== now).slice(0, 200);
    const ranges = here.map((found) => this.#range(this.documents[found.document], found.start, found.end)).filter(Boolean);
    CSS.highlights.set("found", new Highlight(...ranges));
    const current = now && this.#range(this.documents[now.document], now.start, now.end);
    CSS.highlights.set("found-now", current ? new Highlight(current) : new Highlight());
  }

  // ---------------------------------------------------------------------------------------------------------- drawing

  #build(it) {
    it.chunks = pieces(it.text).map(([start, end]) => {
      const element = h("div", { class: "chunk" });
      const lines = it.text.slice(start, end).split("\n").reduce((n, line) => n + Math.max(1, Math.ceil(line.length / LINE_CHARACTERS)), 0);
      element.style.containIntrinsicBlockSize = `auto ${lines * LINE_PX}px`;
      return { start, end, element, texts: [] };
    });
    for (const chunk of it.chunks) this.#fill(it, chunk);
    if (it.error) it.panel.append(h("p", { class: "doc-error" }, `No suggestions for this document: ${it.error.message} Read it yourself and add its codes.`));
    if (!it.text.trim()) it.panel.append(h("p", { class: "empty" }, "This document is empty."));
    it.panel.append(...it.chunks.map((chunk) => chunk.element));
  }

  #fill(it, chunk) {
    for (const old of chunk.element.querySelectorAll("mark")) for (const mark of old.marks) this.elements.get(mark.row)?.delete(old);
    chunk.texts = [];
    const parts = cut(chunk.start, chunk.end, it.marks).map((part) => {
      // A carriage return would show as nothing or as a break of its own; the length stays.
      const node = document.createTextNode(it.text.slice(part.start, part.end).replace(/\r(?=\n)/g, " ").replace(/\r/g, "\n"));
      this.nodes.set(node, { document: it, start: part.start });
      chunk.texts.push({ node, start: part.start, end: part.end });
      if (!part.marks.length) return node;
      const element = h("mark", {}, node);
      element.marks = part.marks;
      element.span = [part.start, part.end];
      for (const mark of part.marks) {
        if (!this.elements.has(mark.row)) this.elements.set(mark.row, new Set());
        this.elements.get(mark.row).add(element);
        if (mark.start === part.start) element.starts = true;
      }
      this.#dress(element);
      return element;
    });
    chunk.element.replaceChildren(...parts);
  }

  #dress(element) {
    const { className, say: words } = this.chart.describe(element.marks);
    element.className = element.classList.contains("ring") ? `${className} ring` : className;
    if (words && element.starts) element.dataset.say = words;
    else delete element.dataset.say;
  }

  #onClick(event) {
    const selected = document.getSelection();
    if (selected && !selected.isCollapsed) return; // drawing a selection is no click
    const mark = event.target.closest?.("mark");
    if (mark) this.chart.onMark([...new Set(mark.marks.map((m) => m.row))]);
  }

  #onTabKey(event) {
    const last = this.documents.length - 1;
    const next = { ArrowLeft: this.active - 1, ArrowRight: this.active + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.show(Math.max(0, Math.min(last, next)), { top: true });
    this.documents[this.active].tab.focus();
  }

  #scrollTo(it, start) {
    const range = this.#range(it, start, Math.min(start + 1, it.text.length));
    if (!range) return;
    const chunk = it.chunks.find((c) => c.start <= start && start < c.end);
    const panel = it.panel;
    const scrolls = panel.scrollHeight > panel.clientHeight + 1 && getComputedStyle(panel).overflowY !== "visible";
    // The first step draws the piece of text, which may have had an estimated height; the second is exact.
    if (chunk) chunk.element.scrollIntoView({ block: "nearest" });
    const box = range.getBoundingClientRect();
    if (scrolls) {
      const frame = panel.getBoundingClientRect();
      if (box.top < frame.top + 24 || box.bottom > frame.bottom - 48) panel.scrollTop += box.top - frame.top - frame.height / 3;
    } else if (box.top < 120 || box.bottom > innerHeight - 48) {
      scrollBy(0, box.top - innerHeight / 3);
    }
  }

  #range(it, start, end) {
    if (!it.chunks) this.#build(it);
    const from = this.#text(it, start, false);
    const to = this.#text(it, end, true);
    if (!from || !to) return null;
    const range = document.createRange();
    range.setStart(from.node, start - from.start);
    range.setEnd(to.node, end - to.start);
    return range;
  }

  #text(it, at, isEnd) {
    const holds = isEnd ? (p) => p.start < at && at <= p.end : (p) => p.start <= at && at < p.end;
    return it.chunks.find(holds)?.texts.find(holds) ?? null;
  }

  #place(node, offset, isStart) {
    let text = node;
    let at = offset;
    if (node.nodeType !== Node.TEXT_NODE) {
      const walker = document.createTreeWalker(this.places.panels, NodeFilter.SHOW_TEXT);
      const child = node.childNodes[offset] ?? null;
      if (isStart) {
        walker.currentNode = child ?? node;
        text = child?.nodeType === Node.TEXT_NODE ? child : walker.nextNode();
        at = 0;
      } else {
        walker.currentNode = child ?? node;
        text = child ? walker.previousNode() : lastText(node);
        at = text?.length ?? 0;
      }
    }
    const known = text && this.nodes.get(text);
    return known ? { document: known.document, at: known.start + at } : null;
  }
}

function lastText(node) {
  let last = node;
  while (last?.lastChild) last = last.lastChild;
  return last?.nodeType === Node.TEXT_NODE ? last : null;
}
