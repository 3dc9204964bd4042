// The worklist: charts in the order they should be coded, each with its reasons.

import { byId, button, h, plural, say, toast } from "./dom.js";
import { chartDialog } from "./dialogs.js";
import { capital } from "./model.js";
import { get, logOut, post, requireSession } from "./session.js";

const STATES = {
  imported: "New", assigned: "Assigned", in_progress: "In progress", on_hold: "On hold", query_open: "Query open", finished: "Finished", audit: "For audit", in_audit: "In audit", audited: "Audited",
};
const PAGE = 50;
let session = null;
let offset = 0;

async function start() {
  session = await requireSession();
  byId("user").textContent = session.user;
  byId("log-out").addEventListener("click", logOut);
  byId("next").addEventListener("click", takeNext);
  byId("state").addEventListener("change", () => { offset = 0; draw(); });
  byId("older").addEventListener("click", () => { offset += PAGE; draw(); });
  byId("newer").addEventListener("click", () => { offset = Math.max(0, offset - PAGE); draw(); });
  document.addEventListener("keydown", onKey);
  byId("next").hidden = !["coder", "auditor"].includes(session.role);
  await draw();
  document.body.dataset.ready = "true";
}

async function draw() {
  const query = new URLSearchParams({ limit: String(PAGE), offset: String(offset) });
  if (byId("state").value) query.set("state", byId("state").value);
  let answer;
  try {
    answer = await get(`/worklist?${query}`);
  } catch (error) {
    toast(error.message, { error: true });
    return;
  }
  const mine = answer.items.filter((item) => item.mine);
  const others = answer.items.filter((item) => !item.mine);
  byId("mine-section").hidden = !mine.length;
  byId("mine").replaceChildren(...mine.map(line));
  byId("queue").replaceChildren(...others.map(line));
  byId("queue-empty").hidden = others.length > 0;
  byId("queue-table").hidden = others.length === 0;
  byId("total").textContent = plural(answer.total, "chart");
  byId("older").hidden = offset + PAGE >= answer.total;
  byId("newer").hidden = offset === 0;
  say(`${plural(answer.total, "chart")}, ${mine.length} of them yours.`);
}

function line(item) {
  const open = item.mine || !["coder", "auditor"].includes(session.role)
    ? button(item.mine ? (item.status === "assigned" ? "Start" : "Continue") : "Read", { className: `button small ${item.mine ? "primary" : ""}`, on: () => goTo(item), name: `Open ${item.encounter_id}` })
    : button("Take", { className: "button small", on: () => take(item), name: `Take ${item.encounter_id}` });
  const words = item.reasons.filter((reason) => reason.points > 0.05).sort((a, b) => b.points - a.points).map((reason) => reason.words);
  return h(
    "tr", { role: "row", data: { chart: item.chart_id } },
    h("td", { role: "cell", class: "number" }, item.rank ?? "–"),
    h("th", { scope: "row", role: "rowheader" }, item.encounter_id, h("span", { class: "sub" }, kindsOf(item.kinds))),
    h("td", { role: "cell" }, capital(item.setting ?? ""), h("span", { class: "sub" }, [item.payer, item.date_of_service].filter(Boolean).join(" · "))),
    h("td", { role: "cell", class: "number" }, plural(item.n_documents, "document"), h("span", { class: "sub" }, `${item.n_words.toLocaleString("en-US")} words`)),
    h("td", { role: "cell" }, h("span", { class: `tag state-${item.status}` }, STATES[item.status] ?? item.status), item.assignee && !item.mine && h("span", { class: "sub" }, item.assignee),
      item.hold_reason && h("span", { class: "sub" }, item.hold_reason), item.n_queries_open > 0 && h("span", { class: "sub" }, plural(item.n_queries_open, "open query", "open queries"))),
    h("td", { role: "cell", class: "why" }, words.slice(0, 3).join("; ") || "No pressing reason", words.length > 3 && ` and ${words.length - 3} more`,
      h("span", { class: "sub" }, `${Math.round(item.score)} points`)),
    h("td", { role: "cell", class: "row-actions" }, open, " ", button("More", { className: "button small quiet", on: () => more(item), name: `More about ${item.encounter_id}` })),
  );
}

/** "Discharge summary, 3 × progress note" */
function kindsOf(kinds) {
  const counted = new Map();
  for (const kind of kinds) counted.set(kind || "document", (counted.get(kind || "document") ?? 0) + 1);
  return capital([...counted].map(([kind, n]) => (n > 1 ? `${n} × ${kind}` : kind)).join(", "));
}

const goTo = (item) => location.assign(`/charts/${encodeURIComponent(item.chart_id)}`);

async function take(item) {
  try {
    await post(`/charts/${encodeURIComponent(item.chart_id)}/claim`);
    goTo(item);
  } catch (error) {
    toast(error.message, { error: true });
    await draw();
  }
}

async function takeNext() {
  try {
    goTo(await post("/worklist/next"));
  } catch (error) {
    toast(error.status === 404 ? "The queue is empty: there is no chart to take." : error.message, { error: error.status !== 404 });
  }
}

async function more(item) {
  const done = await chartDialog({ info: item, role: session.role });
  if (done) await draw();
}

function onKey(event) {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (localStorage.getItem("codesuggest.letters") === "off" && event.key.length === 1) return;
  const lines = [...document.querySelectorAll("tr[data-chart]")];
  if (event.key === "g") takeNext();
  else if (event.key === "j" || event.key === "k") {
    const at = lines.indexOf(document.activeElement.closest("tr"));
    const next = at < 0 ? 0 : Math.max(0, Math.min(lines.length - 1, at + (event.key === "j" ? 1 : -1)));
    lines[next]?.querySelector("button").focus();
  } else return;
  event.preventDefault();
}

start();
