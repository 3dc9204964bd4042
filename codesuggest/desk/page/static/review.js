// The review page: the chart, the keys, and what each of them does. What the person does shows at once and goes out through the outbox.

import { drawList, card, titleOf, visibleKeys } from "./cards.js";
import { addDialog, chartDialog, finishDialog, helpDialog, queryDialog, replaceDialog } from "./dialogs.js";
import { byId, button, h, openDialog, plural, say, toast } from "./dom.js";
import { Chart, capital, finalCode, keyOf, nextPoa, sectionName } from "./model.js";
import { NoteView } from "./note.js";
import { Outbox } from "./outbox.js";
import { get, logOut, post, request, requireSession } from "./session.js";

const chartId = document.body.dataset.chart;
const url = `/charts/${chartId}`;
const chart = new Chart();
const list = byId("code-list");
const narrow = matchMedia("(max-width: 40rem)");
const LETTERS = "codesuggest.letters"; // a preference of the browser; nothing of a chart is stored

let session = null;
let current = null; // key of the row the keys act on
let place = -1; // which of its places was shown last
let readOnly = true;
let open = new Set();
let history = []; // what can be undone: {words, row, decision, sequence}
let finishId = null;
let ready = false;

const note = new NoteView({ tabs: byId("tabs"), panels: byId("panels"), find: byId("find") }, { describe, onMark });
const outbox = new Outbox({ onState: showSaved });

// --------------------------------------------------------------------------------------------------------------- start

async function start() {
  session = await requireSession();
  byId("user").textContent = session.user;
  byId("log-out").addEventListener("click", async () => { await outbox.settled(); logOut(); });
  wire();
  try {
    await load();
  } catch (error) {
    byId("loading").textContent = error.status === 404 || error.status === 403
      ? "This chart is not here, or it is not yours. Go back to the worklist and take one."
      : error.message;
    say(byId("loading").textContent, { urgent: true });
    return;
  }
  byId("loading").hidden = true;
  byId("review").hidden = false;
  goTo(firstOpen());
  focusCurrent(!narrow.matches);
  ready = true;
  document.body.dataset.ready = "true";
}

async function load() {
  const answer = await get(url, { timeout: 60000 });
  chart.load(answer);
  const { info } = chart;
  readOnly = !info.mine || !["in_progress", "in_audit"].includes(info.status);
  document.title = `Chart ${info.encounter_id} · codesuggest`;
  byId("chart-name").textContent = `Chart ${info.encounter_id}`;
  byId("chart-facts").textContent = [
    info.setting, info.age_years !== null && info.age_years !== undefined && `${Math.floor(info.age_years)} years`, { F: "female", M: "male", X: "X" }[info.sex],
    info.payer, info.date_of_service && `${chart.isInpatient ? "discharged" : "seen"} ${info.date_of_service}`, info.stage === "audit" && "audit",
  ].filter(Boolean).join(" · ");
  drawBanner();
  note.load(chart.documents.map((it) => ({ ...it, title: nameOf(it), date: it.date_of_service })));
  chart.documents.forEach((it, i) => { it.title = nameOf(it); it.offsets = note.documents[i].offsets; });
  chart.marks().forEach((marks, i) => {
    const { offsets } = note.documents[i];
    note.setMarks(i, marks.map((mark) => ({ ...mark, start: offsets.toUnits(mark.start), end: offsets.toUnits(mark.end) })));
  });
  byId("skipped").hidden = !chart.skipped.length;
  byId("skipped").textContent = chart.skipped.length ? `Could not run: ${chart.skipped.join("; ")}` : "";
  draw();
}

function nameOf(it) {
  const title = capital(it.kind || "document");
  const same = chart.documents.filter((other) => other.kind === it.kind);
  return same.length > 1 ? `${title} ${same.indexOf(it) + 1}` : title;
}

function firstOpen() {
  const { undecided, deferred, chosen, below } = chart.blocks();
  return (undecided[0] ?? deferred[0] ?? chosen[0] ?? below[0])?.key ?? null;
}

function drawBanner() {
  const banner = byId("banner");
  const { info } = chart;
  banner.hidden = !readOnly;
  if (!readOnly) return;
  const words = { finished: "This chart is finished.", audited: "This chart is finished and audited.", audit: "This chart waits for its audit.", on_hold: `This chart is on hold${info.hold_reason ? `: ${info.hold_reason}` : "."}`, query_open: "A query waits for the physician’s answer." }[info.status]
    ?? (info.assignee && !info.mine ? `${info.assignee} has this chart. You can read it.` : "Nobody has this chart yet. You can read it.");
  const free = !info.assignee && ["imported", "audit"].includes(info.status) && session.role !== "manager";
  const waits = info.mine && ["on_hold", "query_open"].includes(info.status);
  const change = (name) => async () => { if (await attempt(() => post(`${url}/${name}`))) await reload(); };
  banner.replaceChildren(...[h("p", {}, words),
    free && button("Take this chart", { className: "button primary small", on: change("claim") }),
    waits && info.status === "query_open" && button("Record the answer", { keys: "q", className: "button primary small", on: () => ACTS.query(null) }),
    waits && button("Go on with it now", { className: "button small", on: change("resume") }),
    session.role !== "manager" && button("Next chart", { keys: "g", className: "button small", on: nextChart })].filter(Boolean));
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message, { error: true });
    return null;
  }
}

// ------------------------------------------------------------------------------------------------------------- drawing

const view = () => ({ chart, current, open, readOnly, act });

function draw({ focus = false } = {}) {
  const inside = list.contains(document.activeElement) || document.activeElement === document.body;
  const pane = byId("code-scroll");
  const top = pane.scrollTop;
  drawList(list, view());
  pane.scrollTop = top;
  drawProgress();
  if (focus || inside) focusCurrent(focus);
  else if (!list.querySelector(".is-current")) list.querySelector(".card")?.setAttribute("tabindex", "0");
}

function drawProgress() {
  const { done, of } = chart.progress();
  byId("progress-words").textContent = of ? `${done} of ${of} decided` : plural(chart.sequence.length, "code");
  byId("progress").max = Math.max(of, 1);
  byId("progress").value = of ? done : 1;
  const n = chart.findings.filter((finding) => finding.severity !== "advice").length;
  const first = chart.sequence[0];
  byId("principal").hidden = !first;
  byId("no-principal").hidden = Boolean(first) || readOnly;
  if (first) byId("principal").replaceChildren(h("span", { class: "badge-principal" }, chart.isInpatient ? "Principal" : "First-listed"), h("span", { class: "code" }, first.code), h("span", { class: "description" }, first.description));
  byId("finding-count").hidden = n === 0;
  byId("finding-count").textContent = plural(n, "finding");
  const sent = chart.queries.filter((query) => query.status === "sent").length;
  const waiting = chart.proposed.length;
  byId("query-count").hidden = !sent && !waiting;
  byId("query-count").firstChild.data = sent ? `${plural(sent, "query", "queries")} open ` : `${plural(waiting, "query", "queries")} proposed `;
  for (const id of ["finish", "add", "undo"]) byId(id).disabled = readOnly || (id === "undo" && !history.length);
  byId("finish").classList.toggle("primary", !readOnly && done === of);
}

function focusCurrent(scroll = true) {
  const element = current && list.querySelector(`[data-key="${CSS.escape(current)}"]`);
  if (!element) return;
  element.focus({ preventScroll: true });
  if (scroll) element.scrollIntoView({ block: "nearest" });
}

/** Make a row the current one: its card opens, its places are marked, and the first of them comes to view. */
function goTo(key, { focus = false, reveal = true } = {}) {
  const before = current;
  current = key;
  place = -1;
  if (before !== key || !list.querySelector(".is-current")) {
    for (const changed of [before, key]) {
      const old = changed && list.querySelector(`[data-key="${CSS.escape(changed)}"]`);
      const row = changed && chart.row(changed);
      if (old && row) old.replaceWith(card(row, view()));
    }
    note.refresh([before, key].filter(Boolean));
  }
  const row = chart.row(key);
  const counts = new Map();
  for (const evidence of row?.evidence ?? []) counts.set(evidence.document, (counts.get(evidence.document) ?? 0) + 1);
  note.setCounts(counts);
  if (focus) {
    if (narrow.matches) showPane("codes");
    focusCurrent();
  }
  if (row && reveal && row.evidence.length && !narrow.matches) showPlace(row, 0, { quiet: true });
}

function showPlace(row, n, { quiet = false } = {}) {
  if (!row.evidence.length) {
    say("No place in the note.");
    return;
  }
  place = (n + row.evidence.length) % row.evidence.length;
  const evidence = row.evidence[place];
  const it = chart.documents[evidence.document];
  if (!quiet && narrow.matches) showPane("note");
  note.reveal(evidence.document, it.offsets.toUnits(evidence.start), it.offsets.toUnits(evidence.end));
  if (!quiet) say(`Place ${place + 1} of ${row.evidence.length}: “${evidence.excerpt}”. ${sectionName(evidence.section)}, ${titleOf(it)}.`);
}

// What several marks of the same words are shown as: the first of these.
const KINDS = ["support", "negated", "family", "unsure", "past", "against", "weak", "context", "rejected", "left", "cue"];
const QUIET = new Set(["rejected", "left", "cue"]); // shown while their code is the current one, and not otherwise
const SPOKEN = {
  negated: "negated", family: "family or someone else", unsure: "uncertain", past: "history", against: "speaks against", context: "context", rejected: "rejected",
  left: "left out", cue: "the words that decided",
};

function kindOf(mark) {
  const row = chart.row(mark.row);
  if (mark.kind !== "support") return mark.kind;
  if (row.decision?.action === "reject") return "rejected";
  return row.selected || finalCode(row) ? "support" : "weak";
}

/** How marked words look and what is said of them. */
function describe(marks) {
  const now = marks.find((mark) => mark.row === current);
  const shown = now ?? [...marks].sort((a, b) => KINDS.indexOf(kindOf(a)) - KINDS.indexOf(kindOf(b)))[0];
  const kind = kindOf(shown);
  if (!now && QUIET.has(kind)) return { className: "m-none", say: "" };
  const row = chart.row(shown.row);
  const supports = kind === "support" || kind === "weak";
  const isFamily = shown.isFamily || marks.some((mark) => mark.kind === "family");
  const codes = new Set(marks.filter((mark) => mark.kind === "support").map((mark) => chart.row(mark.row)).map((other) => finalCode(other) ?? other.code));
  return {
    className: [`m-${kind}`, now && "is-now", supports && `hue-${row.hue}`, isFamily && "m-family"].filter(Boolean).join(" "),
    say: supports ? `${isFamily ? "family, " : ""}supports ${[...codes].join(", ")}: ` : `${SPOKEN[kind]}, ${row.code}: `,
  };
}

function onMark(keys) {
  const key = keys.includes(current) ? keys[(keys.indexOf(current) + 1) % keys.length] : keys.find((one) => !chart.row(one).isLeft) ?? keys[0];
  const fold = foldOf(chart.row(key));
  if (fold && !open.has(fold)) {
    open.add(fold);
    draw();
  }
  goTo(key, { focus: true, reveal: false });
}

function foldOf(row) {
  if (row.isLeft) return "left";
  if (row.decision?.action === "reject") return "rejected";
  return !row.decision && !row.selected ? "below" : null;
}

function showSaved({ waiting, offline, signedOut, savedAt }) {
  const saved = byId("saved");
  const words = signedOut ? `Signed out: ${plural(waiting, "change")} not saved` : offline ? `No connection: ${plural(waiting, "change")} not saved, trying again` : waiting ? "Saving …" : savedAt ? "Saved" : "";
  const bad = signedOut || offline;
  if (bad && saved.dataset.bad !== "true") say(words, { urgent: true });
  if (!bad && saved.dataset.bad === "true" && !waiting) say("Connected again. Everything is saved.");
  saved.dataset.bad = String(bad);
  saved.replaceChildren(words, signedOut ? h("a", { href: "/login", target: "_blank", rel: "noopener" }, "Sign in (new tab)") : "");
}

function showPane(name) {
  document.body.dataset.pane = name;
  for (const it of ["codes", "note"]) byId(`show-${it}`).setAttribute("aria-pressed", String(it === name));
}

// ------------------------------------------------------------------------------------------------------------ decisions

function remember(words, row = null) {
  history.push({ words, key: row?.key, decision: row?.decision ?? null, sequence: chart.sequence });
  byId("last-words").textContent = words;
  say(words);
}

/** Whether a decision is of the pass before: the auditor's word may stand over it, and cannot take it back. */
const isFixed = (row) => chart.info.stage === "audit" && row.decision?.stage === "coder";

/** Decide a row: shown at once, sent through the outbox. */
function decide(row, action, { final = null, evidence = null, poa = null, words, undoing = false } = {}) {
  if (!undoing) remember(words, row);
  const before = chart.place(row);
  const made = { event_id: crypto.randomUUID(), action, code: row.code, system: row.system, final_code: final?.code ?? null, reason: "" };
  if (evidence) made.evidence = evidence;
  const decision = action === "retract" ? null : { ...made, final_code: final?.code ?? (action === "accept" || action === "add" ? row.code : null), description: final?.description, who: session.user, stage: chart.info.stage };
  chart.decide(row, decision);
  const keepsPlace = before >= 0 && chart.place(row) === before;
  const wanted = chart.draft();
  outbox.add({
    send: () => post(`${url}/decisions`, made),
    done: (answer) => {
      arrived(answer);
      if (poa) setPoaUnlessExempt(row, poa);
    },
    refused: (error) => refused(error),
  });
  if (keepsPlace && !undoing) putDraft(wanted);
  note.refresh([row.key]);
}

function putDraft(wanted = chart.draft()) {
  outbox.add({
    replaces: "draft",
    send: () => request("PUT", `${url}/draft`, { body: wanted, headers: { "If-Match": `"${chart.revision}"` } }),
    done: (answer) => arrived(answer),
    refused: (error) => (error.status === 412 ? conflict(wanted) : refused(error)),
  });
}

/** The answer is the truth once nothing else is on its way. */
function arrived(answer) {
  if (outbox.waiting) {
    chart.take({ draft: answer.draft });
    chart.learn(answer.final_codes);
    return;
  }
  chart.take(answer);
  draw();
}

/** The server knows which codes are exempt from POA reporting; an exempt one stays without a value. */
function setPoaUnlessExempt(row, poa) {
  const at = chart.place(row);
  if (at < 0) return;
  const { poa_exempt: exempt } = chart.sequence[at];
  chart.setPoa(at, exempt ? null : poa);
  putDraft(); // an exempt one too: a draft on its way may hold the value
  draw();
}

async function refused(error) {
  toast(`Not saved: ${error.message}`, { error: true });
  await reload();
}

async function reload() {
  history = [];
  const before = current;
  try {
    await load();
  } catch (error) {
    if (error.status === 403 || error.status === 404) leave();
    else toast(error.message, { error: true });
    return;
  }
  goTo(chart.row(before) ? before : firstOpen(), { focus: true, reveal: false });
}

/** The chart went to somebody else: nothing more is sent. */
function leave() {
  outbox.clear();
  readOnly = true;
  byId("banner").hidden = false;
  byId("banner").replaceChildren(h("p", {}, "This chart is no longer in your hands. What was saved is kept; go back to the worklist."));
  say("This chart is no longer in your hands.", { urgent: true });
  draw();
}

/** Somebody, or another tab, ordered the codes meanwhile. Nothing is overwritten unasked. */
async function conflict(wanted) {
  const theirs = await attempt(() => get(url, { timeout: 60000 }));
  if (!theirs) return;
  const same = JSON.stringify(theirs.final_codes.map(({ system, code, poa }) => ({ system, code, poa }))) === JSON.stringify(wanted.sequence);
  if (same) { // our own change, whose answer was lost
    arrived(theirs);
    return;
  }
  const names = (codes) => codes.map((it) => `${it.code}${it.poa ? ` (POA ${it.poa})` : ""}`).join(", ") || "none";
  const answer = await openDialog({
    title: "The chart was changed elsewhere",
    body: () => [
      h("p", {}, "While you worked, the order or the POA values of this chart were changed in another window. Which do you want to keep?"),
      h("dl", { class: "versions" }, h("dt", {}, "Changed elsewhere"), h("dd", {}, names(theirs.final_codes)), h("dt", {}, "Yours"), h("dd", {}, names(wanted.sequence))),
    ],
    actions: (close) => [button("Keep the other", { on: () => close("theirs") }), button("Keep mine", { className: "button primary", on: () => close("mine") })],
  });
  await reload();
  if (answer === "mine") putDraft(wanted);
}

/** After a decision: on to the next code without one. */
function advance(from) {
  const { undecided, deferred } = chart.blocks();
  const order = chart.rows.filter((row) => row.selected);
  const after = order.slice(order.indexOf(from) + 1).find((row) => undecided.includes(row));
  const next = after ?? undecided[0] ?? deferred.find((row) => row !== from) ?? null;
  draw();
  if (next) goTo(next.key, { focus: true });
  else {
    goTo(from.key, { focus: true, reveal: false });
    if (foldOf(from) && !open.has(foldOf(from))) byId("finish").focus();
    say("Everything put forward is decided. Finish with f.");
  }
}

const characters = (evidence, offsets) => ({ document: evidence.document, start: offsets.toCharacters(evidence.start), end: offsets.toCharacters(evidence.end) });

const ACTS = {
  choose: (row) => goTo(row.key, { focus: true }),
  finish: () => finish(),
  reveal: (row, n) => showPlace(row, n),
  unfold: (row, name) => {
    row[name] = true;
    list.querySelector(`[data-key="${CSS.escape(row.key)}"]`)?.replaceWith(card(row, view()));
    focusCurrent();
  },
  fold: (name, isOpen) => {
    if (open.has(name) === isOpen) return;
    if (isOpen) open.add(name);
    else open.delete(name);
    draw();
    list.querySelector(`[data-fold="${name}"]`)?.focus();
  },

  accept: (row, poa = null) => {
    if (row.isLeft) {
      addFound(row);
      return;
    }
    if (row.decision && finalCode(row) === row.code) {
      say(`${row.code} is accepted already.`);
      return;
    }
    if (!row.billable) {
      toast(`${row.code} is not billable. Replace it with one of its codes.`, { error: true });
      return;
    }
    const reported = chart.info.poa_required ? poa : null;
    decide(row, "accept", { poa: reported, words: `Accepted ${row.code}${reported ? `, POA ${reported}` : ""}.` });
    if (reported) chart.setPoa(chart.place(row), reported);
    advance(row);
  },
  reject: (row) => {
    if (row.isLeft || row.decision?.action === "reject") return;
    decide(row, "reject", { words: `Rejected ${row.code}.` });
    advance(row);
  },
  defer: (row) => {
    if (row.isLeft || row.decision) return;
    decide(row, "defer", { words: `${row.code} is set aside for later.` });
    advance(row);
  },
  retract: (row) => {
    if (row.isLeft || !row.decision) return;
    if (isFixed(row)) {
      toast("This is the coder’s decision. Accept, reject or replace it with your own.");
      return;
    }
    decide(row, "retract", { words: `${finalCode(row) ?? row.code}: decision taken back.` });
    draw();
    goTo(chart.blocks().undecided.includes(row) || row.probability !== null ? row.key : firstOpen(), { focus: true });
  },
  replace: async (row) => {
    if (row.isLeft) return;
    const code = await replaceDialog(row, chart.info.date_of_service);
    if (code) replaceWith(row, code);
  },
  alternative: (row, n) => {
    const other = row.alternatives?.[n];
    if (other) replaceWith(row, { system: row.system, code: other.code, description: other.description });
  },
  principal: (row) => {
    const at = chart.place(row);
    if (at > 0) resequence(row, at, 0, `${finalCode(row)} is now the ${chart.principalName.toLowerCase()}.`);
    else say(at === 0 ? "It is first already." : "Accept the code first.");
  },
  move: (row, by) => {
    const at = chart.place(row);
    const to = at + by;
    if (at >= 0 && to >= 0 && to < chart.sequence.length) resequence(row, at, to, `${finalCode(row)} is now number ${to + 1}.`);
  },
  poa: (row) => {
    const at = chart.place(row);
    if (!chart.info.poa_required || at < 0) {
      say(chart.info.poa_required ? "Accept the code first." : "POA is not reported in this setting.");
      return;
    }
    const poa = nextPoa(chart.sequence[at]);
    remember(`${chart.sequence[at].code}: POA ${poa ?? "not set"}.`);
    chart.setPoa(at, poa);
    putDraft();
    draw();
  },
  query: async (row) => {
    await outbox.settled(); // a query that is sent puts the chart aside: what was decided goes first
    await queryDialog({ chart, row, canWrite: !readOnly, canAnswer: chart.info.mine || session.role === "manager", changed: reload });
    focusCurrent(false);
  },
};

function act(name, row, ...more) {
  if (readOnly && !["choose", "reveal", "unfold", "fold", "query"].includes(name)) {
    toast("This chart can only be read.", { error: true });
    return;
  }
  ACTS[name](row, ...more);
}

function resequence(row, from, to, words) {
  remember(words);
  chart.move(from, to);
  putDraft();
  draw();
  goTo(row.key, { focus: true, reveal: false });
}

function replaceWith(row, code) {
  if (code.code === row.code) {
    ACTS.accept(row);
    return;
  }
  if (chart.holds(code.system, code.code) && finalCode(row) !== code.code) {
    toast(`${code.code} is on this chart already. Reject ${row.code} if it is the same condition.`, { error: true });
    return;
  }
  decide(row, "replace", { final: code, words: `Replaced ${row.code} with ${code.code}.` });
  advance(row);
}

/** A code that was seen and left out is added by the person, with the words that were found. */
function addFound(item) {
  const evidence = item.evidence.map((it) => ({ document: it.document, start: it.start, end: it.end }));
  addCode({ system: "ICD-10-CM", code: item.code, description: item.description }, evidence, item.evidence);
}

async function addSelected() {
  if (readOnly) return;
  const selection = note.selection();
  const chosen = await addDialog({ selection, on: chart.info.date_of_service, find: (words) => note.occurrences(words), documents: chart.documents });
  if (!chosen) return;
  const { offsets, text } = note.documents[chosen.place.document];
  const where = characters(chosen.place, offsets);
  const shown = { ...where, excerpt: text.slice(chosen.place.start, chosen.place.end), section: "selected", role: "supports" };
  addCode(chosen.code, [where], [shown]);
  document.getSelection()?.removeAllRanges();
}

function addCode(code, evidence, shown) {
  if (chart.holds(code.system, code.code)) {
    toast(`${code.code} is on this chart already.`);
    const row = chart.rowOf(code);
    if (row) goTo(row.key, { focus: true });
    return;
  }
  const known = chart.row(keyOf(code));
  const row = chart.add(code, shown);
  if (known) row.evidence = [...shown, ...row.evidence];
  decide(row, known && known.probability !== null ? "accept" : "add", { evidence, words: `Added ${code.code} ${code.description}.` });
  for (const it of shown) {
    const { offsets } = note.documents[it.document];
    note.addMark(it.document, { row: row.key, kind: "support", start: offsets.toUnits(it.start), end: offsets.toUnits(it.end) });
  }
  draw();
  goTo(row.key, { focus: true });
}

function undo() {
  const last = history.pop();
  if (!last) {
    say("Nothing to undo.");
    return;
  }
  const row = last.key && chart.row(last.key);
  if (row) {
    const was = last.decision;
    if (was && chart.info.stage === "audit" && was.stage === "coder") {
      decide(row, "retract", { undoing: true });
      chart.decide(row, was);
    } else if (was) {
      decide(row, was.action, { final: was.action === "replace" ? { code: was.final_code, description: was.description } : null, evidence: was.evidence?.length ? was.evidence : null, undoing: true });
    } else decide(row, "retract", { undoing: true });
  }
  const wanted = JSON.stringify(last.sequence.map(({ code, poa }) => [code, poa]));
  if (JSON.stringify(chart.sequence.map(({ code, poa }) => [code, poa])) !== wanted) {
    chart.sequence = last.sequence;
    putDraft();
  }
  byId("last-words").textContent = "";
  say(`Undone: ${last.words}`);
  draw();
  goTo(row && (row.probability !== null || row.decision) ? row.key : chart.row(current) ? current : firstOpen(), { focus: true });
}

/** Go to the next code that has a finding; a finding of the whole chart is in the finish dialog. */
function nextFinding() {
  const rows = chart.rows.filter((row) => chart.place(row) >= 0 && chart.findingsOf(row).some((finding) => finding.severity !== "advice"));
  const next = rows[(rows.findIndex((row) => row.key === current) + 1) % rows.length];
  if (next) goTo(next.key, { focus: true });
  else finish();
}

async function finish() {
  if (readOnly) return;
  finishId ??= crypto.randomUUID();
  const answer = await finishDialog({ chart, eventId: finishId, settle: () => outbox.settled() });
  if (!answer) return;
  if (answer.goTo) {
    const fold = foldOf(chart.row(answer.goTo));
    if (fold) open.add(fold);
    draw();
    goTo(answer.goTo, { focus: true });
    return;
  }
  history = [];
  finishId = null;
  readOnly = true;
  chart.info = { ...chart.info, ...answer.chart };
  byId("last-words").textContent = "";
  drawBanner();
  draw();
  const next = await openDialog({
    title: "Chart finished",
    focus: ".next-chart",
    body: () => [h("p", { class: "good big" }, `${plural(answer.review.codes.length, "code")} recorded for ${chart.info.encounter_id}.`)],
    actions: (close) => [button("Worklist", { on: () => close("list") }), button("Next chart", { keys: "g", className: "button primary next-chart", on: () => close("next") })],
  });
  if (next === "next") await nextChart();
  else if (next === "list") location.assign("/");
}

async function nextChart() {
  await outbox.settled();
  try {
    const next = await post("/worklist/next");
    location.assign(`/charts/${encodeURIComponent(next.chart_id)}`);
  } catch (error) {
    toast(error.status === 404 ? "There is no other chart to take. The queue is empty." : error.message, { error: error.status !== 404 });
  }
}

async function chartActions() {
  const done = await chartDialog({ info: chart.info, role: session.role, settle: () => outbox.settled() });
  if (!done) return;
  if (["skip", "release", "hold", "return"].includes(done.name)) location.assign("/");
  else await reload();
  focusCurrent(false);
}

// ---------------------------------------------------------------------------------------------------------------- keys

let letters = localStorage.getItem(LETTERS) !== "off";

const help = () => helpDialog({ lettersOn: letters, setLetters: (on) => { letters = on; localStorage.setItem(LETTERS, on ? "on" : "off"); byId("hints").hidden = !on; } });

function step(by) {
  const keys = visibleKeys(list);
  const at = keys.indexOf(current);
  const key = keys[at < 0 ? 0 : Math.max(0, Math.min(keys.length - 1, at + by))];
  const folds = [...list.querySelectorAll("details:not([open]) > summary")];
  // At the end of what is open, j goes on to the folds that are closed: Enter opens them.
  if (by > 0 && at === keys.length - 1 && folds.length) {
    const now = folds.indexOf(document.activeElement);
    folds[Math.min(now + 1, folds.length - 1)].focus();
  } else if (by < 0 && folds.indexOf(document.activeElement) > 0) folds[folds.indexOf(document.activeElement) - 1].focus();
  else if (by < 0 && folds.includes(document.activeElement)) focusCurrent();
  else if (key) goTo(key, { focus: true });
}

const onRow = (name, ...more) => () => { const row = current && chart.row(current); if (row) act(name, row, ...more); };
const nextDocument = (by) => () => note.show((note.active + by + chart.documents.length) % chart.documents.length, { top: true });

const LETTER_KEYS = {
  j: () => step(1), k: () => step(-1), a: onRow("accept"), A: onRow("accept", "Y"), r: onRow("reject"), c: onRow("replace"), d: onRow("defer"), x: onRow("retract"), p: onRow("principal"),
  o: onRow("poa"), q: onRow("query"), n: addSelected, u: undo, f: finish, g: nextChart, t: nextDocument(1), T: nextDocument(-1), "/": () => note.openFind(), "?": help,
  e: () => { const row = chart.row(current); if (row) showPlace(row, place + 1); },
  "]": () => { const row = chart.row(current); if (row) showPlace(row, place + 1); },
  "[": () => { const row = chart.row(current); if (row) showPlace(row, place - 1); },
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [String(n), onRow("alternative", n - 1)])),
};

function onKey(event) {
  if (!ready || event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, textarea, select");
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "z" && !typing) {
    event.preventDefault();
    undo();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey) return;
  const inNote = event.target.closest?.("#note-pane");
  let run = null;
  if (event.altKey) run = { ArrowUp: onRow("move", -1), ArrowDown: onRow("move", 1) }[event.key];
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") run = inNote || event.shiftKey ? null : () => step(event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Enter") run = event.target.closest?.(".card") === event.target ? onRow("replace") : null;
  else if (letters) run = LETTER_KEYS[event.key];
  if (!run || (event.repeat && !["j", "k", "e", "[", "]", "ArrowDown", "ArrowUp"].includes(event.key))) return;
  event.preventDefault();
  run();
}

function wire() {
  document.addEventListener("keydown", onKey);
  byId("finish").addEventListener("click", finish);
  byId("add").addEventListener("click", addSelected);
  byId("undo").addEventListener("click", undo);
  byId("help").addEventListener("click", help);
  byId("search-note").addEventListener("click", () => note.openFind());
  byId("principal").addEventListener("click", () => { const row = chart.rowOf(chart.sequence[0]); if (row) goTo(row.key, { focus: true }); });
  byId("finding-count").addEventListener("click", nextFinding);
  byId("query-count").addEventListener("click", () => ACTS.query(null));
  byId("chart-menu").addEventListener("click", chartActions);
  for (const name of ["codes", "note"]) byId(`show-${name}`).addEventListener("click", () => showPane(name));
  showPane("codes");
  byId("hints").hidden = !letters;
  // What is selected can be added: say so where the eye is.
  const pill = byId("add-pill");
  document.addEventListener("selectionchange", () => {
    const selected = !readOnly && !document.querySelector("dialog[open]") && note.selection();
    pill.hidden = !selected;
  });
  pill.addEventListener("mousedown", (event) => event.preventDefault());
  pill.addEventListener("click", addSelected);
}

start();
