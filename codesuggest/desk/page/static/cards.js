// The list of codes: one card a code, grouped by what is decided. The current card shows everything that can be done with it.

import { button, h, hidden, key, plural } from "./dom.js";
import { POA_NAMES, capital, finalCode, sectionName, whyNot } from "./model.js";

const ids = new Map();
export const idOf = (name) => {
  if (!ids.has(name)) ids.set(name, `card-${ids.size}`);
  return ids.get(name);
};

const GROUPS = {
  undecided: { title: "To decide", hint: "Codes put forward. Each needs your decision." },
  deferred: { title: "Set aside", hint: "Decide these before you finish." },
  below: { title: "Less likely codes", hint: "Below the threshold. No decision is needed.", folded: true },
  rejected: { title: "Rejected", folded: true },
  left: { title: "Why not: seen and left out", hint: "Found in the note and not suggested, each with its reason.", folded: true },
};

/** Draw the whole list. `view`: {chart, current, open (names of the folds that are open), act(name, row, ...), readOnly} */
export function drawList(place, view) {
  const blocks = view.chart.blocks();
  place.replaceChildren(
    chosenGroup(blocks.chosen, view),
    blocks.undecided.length || !blocks.chosen.length ? group("undecided", blocks.undecided, view) : h("p", { class: "all-decided" }, "Everything put forward is decided.", !view.readOnly && button("Finish the chart", { keys: "f", className: "button small primary", on: () => view.act("finish", null) })),
    ...["deferred", "below", "rejected", "left"].filter((name) => blocks[name].length).map((name) => group(name, blocks[name], view)),
  );
}

/** The keys of the cards in the order of the page, as far as they can be seen. */
export function visibleKeys(place) {
  return [...place.querySelectorAll(".card")].map((card) => card.dataset.key);
}

function chosenGroup(rows, view) {
  const title = idOf("group chosen");
  const empty = view.readOnly ? "No code." : "No code yet. Accept one below, or select words in the note and add a code for them.";
  return h(
    "section", { class: "group group-chosen", "aria-labelledby": title },
    h("h2", { id: title }, "Codes of this chart ", h("span", { class: "count" }, String(rows.length))),
    rows.length ? h("ol", { class: "cards" }, rows.map((row) => h("li", {}, card(row, view)))) : h("p", { class: "empty" }, empty),
  );
}

function group(name, rows, view) {
  const { title, hint, folded } = GROUPS[name];
  const heading = h("h2", { id: idOf(`group ${name}`) }, `${title} `, h("span", { class: "count" }, String(rows.length)));
  const cards = () => h("ul", { class: "cards" }, rows.map((row) => h("li", {}, card(row, view))));
  if (!folded) {
    const empty = "Nothing was put forward. Look at the less likely codes, or select words in the note and add a code for them.";
    return h("section", { class: `group group-${name}`, "aria-labelledby": heading.id }, heading,
      rows.length ? [h("p", { class: "hint" }, hint), cards()] : h("p", { class: "empty" }, empty));
  }
  const open = view.open.has(name);
  return h(
    "section", { class: `group group-${name}`, "aria-labelledby": heading.id },
    h("details", { open, on: { toggle: (event) => view.act("fold", name, event.target.open) } },
      h("summary", { data: { fold: name } }, heading),
      open ? [hint && h("p", { class: "hint" }, hint), cards()] : null),
  );
}

export function card(row, view) {
  const isCurrent = row.key === view.current;
  const title = idOf(row.key);
  const place = row.isLeft ? -1 : view.chart.place(row);
  const findings = row.isLeft ? [] : view.chart.findingsOf(row);
  const shownCode = finalCode(row) ?? row.code;
  const state = stateOf(row, place);
  const element = h(
    "div",
    { class: `card is-${state}${isCurrent ? " is-current" : ""}${place === 0 ? " is-principal" : ""} hue-${row.hue ?? "none"}`, role: "group", tabindex: isCurrent ? 0 : -1,
      "aria-labelledby": `${title} ${title}-more`, "aria-current": isCurrent ? "true" : null, data: { key: row.key },
      on: { click: (event) => { if (!event.target.closest("button, a, summary")) view.act("choose", row); } } },
    place === 0 && h("p", { class: "badge-principal" }, view.chart.principalName),
    h("div", { class: "card-head" },
      h("p", { class: "card-title", id: title },
        place > 0 && h("span", { class: "sequence" }, hidden("Number "), `${place + 1}`),
        h("span", { class: "code" }, shownCode), " ",
        h("span", { class: "description" }, descriptionOf(row, view.chart, place))),
      quickButtons(row, view, state, place),
    ),
    meta(row, view, state, findings, title),
  );
  if (isCurrent) element.append(details(row, view, state, place, findings));
  return element;
}

function stateOf(row, place) {
  if (row.isLeft) return "left";
  if (place >= 0) return "chosen";
  return { reject: "rejected", defer: "deferred" }[row.decision?.action] ?? (row.selected ? "undecided" : "below");
}

function descriptionOf(row, chart, place) {
  return place >= 0 ? chart.sequence[place].description || row.description : row.description;
}

function quickButtons(row, view, state, place) {
  if (view.readOnly) return null;
  const named = finalCode(row) ?? row.code;
  if (state === "chosen") {
    const final = view.chart.sequence[place];
    return view.chart.info.poa_required && h("div", { class: "quick" }, poaButton(row, final, view));
  }
  if (state === "left" || row.key === view.current) return null;
  return h("div", { class: "quick" },
    state !== "rejected" && button("Reject", { className: "button small reject", name: `Reject ${named}`, on: () => view.act("reject", row) }),
    button("Accept", { className: "button small accept", name: `Accept ${named}`, on: () => view.act("accept", row) }));
}

function poaButton(row, final, view) {
  const value = final.poa_exempt ? "exempt" : final.poa ?? "not set";
  const missing = !final.poa && final.poa_needed !== false && !final.poa_exempt;
  const words = final.poa_exempt ? "exempt" : POA_NAMES[final.poa] ?? "not set";
  return button([h("span", { class: "poa-name" }, "POA"), ` ${value}`], {
    keys: row.key === view.current ? "o" : "", className: `button small poa ${missing ? "is-missing" : "is-set"}`, name: `Present on admission of ${final.code}: ${words}. Change`,
    title: capital(words), on: () => view.act("poa", row),
  });
}

function meta(row, view, state, findings, title) {
  const parts = [];
  if (row.isLeft) parts.push(h("span", { class: `tag reason-${row.kind || "other"}` }, capital(row.reason.replaceAll("_", " "))), h("span", { class: "why" }, whyNot(row)));
  if (row.probability !== null && row.probability !== undefined) parts.push(probability(row.probability));
  if (!row.isLeft) parts.push(h("span", {}, plural(row.evidence.length, "place")));
  if (row.status === "needs query") parts.push(h("span", { class: "tag warn" }, "Needs a query"));
  if (row.billable === false) parts.push(h("span", { class: "tag warn" }, "Not billable"));
  if (findings.length) parts.push(h("span", { class: `tag ${findings.some((f) => f.severity === "error") ? "bad" : "warn"}` }, plural(findings.length, "finding")));
  if (row.decision?.action === "replace") parts.push(h("span", { class: "tag" }, `Replaces ${row.code}`));
  if (row.probability === null) parts.push(h("span", { class: "tag" }, "Added by hand"));
  if (row.decision) parts.push(h("span", { class: "who" }, `${{ accept: "Accepted", reject: "Rejected", replace: "Replaced", add: "Added", defer: "Set aside" }[row.decision.action]}${row.decision.who ? ` by ${row.decision.who}` : ""}`));
  else if (state === "undecided" || state === "below") parts.push(hidden("no decision yet"));
  return h("p", { class: "meta", id: `${title}-more` }, parts.flatMap((part, i) => (i ? [" ", part] : [part])));
}

function probability(p) {
  const fill = h("span", { class: "bar-fill" });
  fill.style.inlineSize = `${Math.round(p * 100)}%`;
  const percent = p >= 0.995 ? "> 99 %" : p < 0.005 ? "< 1 %" : `${Math.round(p * 100)} %`;
  return h("span", { class: "probability", title: "Probability that a coder confirms this code" },
    h("span", { class: "bar", "aria-hidden": "true" }, fill), h("span", { class: "percent" }, percent), hidden(" probable"));
}

function details(row, view, state, place, findings) {
  const { chart, readOnly } = view;
  return h(
    "div", { class: "card-body" },
    !readOnly && actions(row, view, state, place),
    row.detail && h("p", { class: "hint" }, capital(row.detail)),
    row.note && !(row.alternatives ?? []).some((other) => row.note.includes(other.code)) && h("p", { class: "advice" }, row.note),
    findings.length > 0 && h("ul", { class: "findings" }, findings.map(findingLine)),
    evidenceList(row, view, chart),
    !readOnly && row.alternatives?.length > 0 && alternativeList(row, view),
  );
}

export function findingLine(finding) {
  return h("li", { class: `finding ${finding.severity}` },
    h("strong", {}, capital(finding.severity), ": "), finding.message, finding.resolution && ` ${finding.resolution}`,
    h("small", {}, ` ${[finding.rule_id, finding.citation].filter(Boolean).join(" · ")}`));
}

function actions(row, view, state, place) {
  const act = (name, ...more) => () => view.act(name, row, ...more);
  const small = "button small";
  const last = view.chart.sequence.length - 1;
  const some = [];
  if (state === "left") some.push(button("Code it anyway", { keys: "a", on: act("accept"), className: "button small primary" }));
  else if (state === "chosen") {
    if (place > 0) some.push(button(`Make ${view.chart.isInpatient ? "principal" : "first"}`, { keys: "p", on: act("principal"), className: small }));
    some.push(button("Take back", { keys: "x", on: act("retract"), className: small }));
  } else {
    some.push(button("Accept", { keys: "a", className: "button small primary accept", on: act("accept") }));
    if (view.chart.info.poa_required) some.push(button("Accept, POA Y", { keys: "A", className: small, on: act("accept", "Y"), title: "Accept, present on admission" }));
  }
  if (state !== "left" && state !== "rejected") some.push(button("Reject", { keys: "r", on: act("reject"), className: "button small reject" }));
  if (state !== "left") some.push(button("Replace…", { keys: "c", on: act("replace"), className: small }));
  some.push(button("Query…", { keys: "q", on: act("query"), title: "Ask the physician", className: small }));
  if (["undecided", "below"].includes(state)) some.push(button("Later", { keys: "d", on: act("defer"), className: small }));
  if (state === "chosen" && last > 0) {
    some.push(button("Up", { keys: "Alt+↑", on: act("move", -1), disabled: place === 0, className: small }), button("Down", { keys: "Alt+↓", on: act("move", 1), disabled: place === last, className: small }));
  }
  return h("div", { class: "actions" }, some);
}

function evidenceList(row, view, chart) {
  const places = row.evidence;
  const shown = row.allPlaces ? places.length : 4;
  if (!places.length) return h("p", { class: "hint" }, "No place in the note.");
  const items = places.slice(0, shown).map((evidence, i) => {
    const it = chart.documents[evidence.document];
    const where = [sectionName(evidence.section), chart.documents.length > 1 && it && titleOf(it)].filter(Boolean).join(" · ");
    return h("li", {},
      h("button", { type: "button", class: `evidence ${evidence.role === "contradicts" ? "against" : ""}`, on: { click: () => view.act("reveal", row, i) } },
        h("q", {}, shorten(evidence.excerpt)), h("span", { class: "where" }, evidence.role === "contradicts" && !row.isLeft ? "speaks against it · " : "", where)));
  });
  return h("div", { class: "evidences" },
    h("h3", {}, "In the note ", key("e"), places.length > 1 && [" ", key("["), " ", key("]")]),
    h("ul", {}, items), places.length > shown && button(`${places.length - shown} more`, { className: "button small quiet", on: () => view.act("unfold", row, "allPlaces") }));
}

function alternativeList(row, view) {
  const shown = row.allAlternatives ? 9 : 3;
  const more = Math.min(row.alternatives.length, 9) - shown;
  return h("div", { class: "alternatives" },
    h("h3", {}, "Replace with"),
    h("ul", {}, row.alternatives.slice(0, shown).map((other, i) => h("li", {},
      h("button", { type: "button", class: "alternative", "aria-keyshortcuts": String(i + 1), on: { click: () => view.act("alternative", row, i) } },
        key(String(i + 1)), h("span", { class: "code" }, other.code), h("span", { class: "alt-words" }, other.description,
          h("small", {}, ` ${other.relation}`, other.missing?.length ? `, if the note says “${other.missing.join("”, “")}”` : "")))))),
    more > 0 && button(`${more} more`, { className: "button small quiet", on: () => view.act("unfold", row, "allAlternatives") }));
}

export const titleOf = (it) => it.title ?? capital(it.kind || "document");
const shorten = (words) => (words.length > 160 ? `${words.slice(0, 158).trimEnd()}…` : words).replace(/\s+/g, " ");
