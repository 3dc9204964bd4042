// The dialogs of the review page: keys, replace, add, query, finish, and what can be done with the chart as a whole.

import { findingLine, titleOf } from "./cards.js";
import { button, h, hidden, key, openDialog, plural, say } from "./dom.js";
import { POA_NAMES, capital, finalCode, sectionName } from "./model.js";
import { codeSearch } from "./search.js";
import { get, post } from "./session.js";

export const KEYS = [
  ["Move", [["j", "k"], "Next or previous code"], [["↓", "↑"], "The same"], [["e"], "Next place in the note"], [["[", "]"], "Previous or next place"], [["t", "T"], "Next or previous document"], [["/"], "Find words in the note"]],
  ["Decide", [["a"], "Accept"], [["A"], "Accept, present on admission"], [["r"], "Reject"], [["c", "Enter"], "Replace with another code"], [["1", "…", "9"], "Replace with that alternative"], [["n"], "New code for the selected words"], [["d"], "Later: set aside"], [["x"], "Take the decision back"]],
  ["Order", [["p"], "Make principal (first)"], [["Alt+↑", "Alt+↓"], "Move up or down"], [["o"], "Present on admission: Y, N, U, W"]],
  ["Chart", [["q"], "Query to the physician"], [["u", "Ctrl+Z"], "Undo"], [["f"], "Finish the chart"], [["g"], "Next chart"], [["?"], "This list"]],
];

export function helpDialog({ lettersOn, setLetters }) {
  return openDialog({
    title: "Keys",
    className: "wide",
    body: () => [
      h("p", {}, "Everything can be done with the mouse as well. The words that support the current code are marked in the note; a click on marked words goes to their code."),
      h("div", { class: "key-groups" }, KEYS.map(([name, ...rows]) => h("section", {}, h("h3", {}, name), h("dl", {}, rows.map(([names, words]) =>
        h("div", {}, h("dt", {}, names.map((n) => h("kbd", {}, n))), h("dd", {}, words))))))),
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: lettersOn, on: { change: (event) => setLetters(event.target.checked) } }),
        "Single letters work as keys (switch off when they get in the way of speech input or a screen reader)"),
    ],
  });
}

/** Choose another code for a row; resolves with {system, code, description} or null. */
export function replaceDialog(row, on) {
  const first = row.alternatives.map((other) => ({ code: other.code, title: other.description, matched: "", billable: other.billable ?? true, group: capital(other.relation) }));
  return openDialog({
    title: `Replace ${finalCode(row) ?? row.code}`,
    focus: ".code-box",
    body: (close) => [
      h("p", { class: "subject" }, h("span", { class: "code" }, row.code), " ", row.description),
      codeSearch({ label: "The code that is right", on, first, choose: close }).element,
    ],
  });
}

/** Choose a code for words of the note; resolves with {code, place} or null. `find(words)` gives the places of typed words. */
export function addDialog({ selection, on, find, documents }) {
  let place = selection;
  const told = h("p", { class: "hint", role: "status" });
  const tell = (n) => {
    if (!place) told.textContent = n === 0 ? "These words are not in the notes." : "Type words exactly as the note has them, or select them in the note first.";
    else told.textContent = `In: ${titleOf(documents[place.document])}${n > 1 ? `. ${n} places; the first is taken.` : ""}`;
  };
  const words = h("input", {
    id: "add-words", type: "text", autocomplete: "off", spellcheck: "false", value: selection?.text.replace(/\s+/g, " ") ?? "",
    on: { input: () => {
      const found = words.value.trim().length > 1 ? find(words.value) : [];
      [place] = found;
      tell(words.value.trim().length > 1 ? found.length : -1);
    } },
  });
  tell(selection ? 1 : -1);
  return openDialog({
    title: "Add a code",
    focus: selection ? ".code-box" : "#add-words",
    body: (close) => [
      h("label", { for: "add-words" }, "Words of the note that support it"), words, told,
      codeSearch({ label: "Code", on, choose: (code) => {
        if (place) close({ code, place });
        else { words.focus(); say("First the words of the note that support the code.", { urgent: true }); told.textContent = "A code needs words of the note that support it."; }
      } }).element,
    ],
  });
}

// ------------------------------------------------------------------------------------------------------------- queries

const QUERY_STATES = {
  pending: "Not sent yet", sent: "Sent, no answer yet", agreed: "The physician agreed", disagreed: "The physician disagreed", answered: "Answered", withdrawn: "Withdrawn", expired: "Expired",
};

/** Queries about a row: those raised already, those proposed, or a new one. `changed` is called after each change. */
export function queryDialog({ chart, row, changed, canWrite, canAnswer }) {
  const url = `/charts/${chart.info.chart_id}/queries`;
  const status = h("p", { class: "problem", role: "alert" });
  const attempt = async (work, words) => {
    status.textContent = "";
    try {
      await work();
      say(words);
      return true;
    } catch (error) {
      status.textContent = error.message;
      return false;
    }
  };
  const proposals = chart.proposed.filter((query) => !chart.queries.some((other) => [query.topic, query.title].includes(other.topic) && other.status !== "withdrawn"));
  const touching = row ? proposals.filter((query) => query.indicators.some((a) => row.evidence.some((b) => a.document === b.document && a.start < b.end && b.start < a.end))) : [];
  const start = touching[0] ?? (row && !row.isLeft ? openQuestion(row) : proposals[0]) ?? { topic: "", question: "", options: [], indicators: [] };
  let indicators = start.indicators;

  const topic = h("input", { id: "query-topic", type: "text", value: start.title || start.topic, autocomplete: "off" });
  const question = h("textarea", { id: "query-question", rows: 6 }, start.question);
  const options = h("textarea", { id: "query-options", rows: 4 }, start.options.join("\n"));
  const quoted = h("ul", { class: "quoted" });
  const problems = h("ul", { class: "findings", "aria-label": "What the query check says" });
  const draw = () => {
    quoted.replaceChildren(...indicators.map((it) => h("li", {}, h("q", {}, it.excerpt.replace(/\s+/g, " ")), h("span", { class: "where" }, ` ${titleOf(chart.documents[it.document])}`))));
  };
  draw();
  const choose = (query) => {
    [topic.value, question.value, options.value, indicators] = [query.title || query.topic, query.question, query.options.join("\n"), query.indicators];
    problems.replaceChildren();
    draw();
    question.focus();
  };
  let written = null; // {id, as}: written and not sent yet, because the check had something to say of its words
  const withdraw = async () => {
    if (written) await post(`${url}/${written.id}/withdraw`, { reason: "written anew before it was sent" });
    written = null;
  };
  const send = (close) => attempt(async () => {
    const body = {
      topic: topic.value.trim(), question: question.value.trim(), options: options.value.split("\n").map((line) => line.trim()).filter(Boolean),
      indicators: indicators.map(({ document: n, start: a, end: b }) => ({ document: n, start: a, end: b })),
    };
    if (written?.as !== JSON.stringify(body)) {
      await withdraw();
      const query = await post(url, body);
      written = { id: query.query_id, as: JSON.stringify(body) };
      problems.replaceChildren(...(query.problems ?? []).map((p) => h("li", { class: `finding ${p.severity ?? "warning"}` }, h("strong", {}, "Wording: "), p.message)));
      if (query.problems?.some((p) => p.severity !== "advice")) throw new Error("The check objects to the wording. Change it, or send it as it is with the same button.");
    }
    await post(`${url}/${written.id}/send`);
    written = null;
    await changed();
    close(true);
  }, "Query sent.");

  const old = chart.queries.filter((query) => query.status !== "withdrawn" || query.sent_at);
  const done = openDialog({
    title: row ? `Query about ${row.code}` : "Query to the physician",
    className: "wide",
    focus: canWrite ? "#query-question" : null,
    body: () => [
      status,
      old.length > 0 && h("section", {}, h("h3", {}, "Raised already"), h("ul", { class: "raised" }, old.map((query) => raised(query, url, attempt, changed, canAnswer)))),
      canWrite && [
        proposals.length > 0 && h("section", {}, h("h3", {}, "Proposed for this chart"), h("div", { class: "chips" }, proposals.map((query) => button(query.title || query.topic, { className: "button small", on: () => choose(query) })))),
        h("div", { class: "form" },
          h("label", { for: "query-topic" }, "Title (no diagnosis that is not documented)"), topic,
          h("label", { for: "query-question" }, "Question"), question,
          h("label", { for: "query-options" }, "Answers offered, one a line (may be empty for an open question)"), options),
        h("h3", {}, "What the query quotes from the record"), quoted, problems,
      ],
    ],
    actions: (close) => (!canWrite ? [] : [button("Cancel", { on: () => close() }), button("Send to the physician", { className: "button primary", on: () => send(close) })]),
  });
  return done.finally(() => withdraw().catch(() => {}));
}

/** An open question leads nowhere: it quotes and asks. */
function openQuestion(row) {
  const indicators = row.evidence.filter((e) => e.role !== "contradicts").slice(0, 4);
  const said = indicators.map((e) => `“${e.excerpt.replace(/\s+/g, " ")}” (${sectionName(e.section)})`).join("; ");
  return {
    topic: `Clarification of “${(indicators[0]?.excerpt ?? row.description).replace(/\s+/g, " ").slice(0, 120)}”`, options: [], indicators,
    question: `The record says: ${said}. Based on your clinical judgment, please clarify in the record what this documents, as specifically as you can, or state that it cannot be determined further.`,
  };
}

function raised(query, url, attempt, changed, canAnswer) {
  const answer = h("textarea", { id: `answer-${query.query_id}`, rows: 2 });
  const item = h("li", {},
    h("p", {}, h("strong", {}, query.topic), " ", h("span", { class: "tag" }, QUERY_STATES[query.status] ?? query.status)),
    h("p", { class: "query-text" }, query.question),
    query.answer && h("p", {}, h("strong", {}, "Answer: "), query.answer));
  const act = (name, body) => attempt(async () => {
    const now = await post(`${url}/${query.query_id}/${name}`, body);
    await changed();
    item.replaceWith(raised(now, url, attempt, changed, canAnswer));
  }, `Query: ${name}.`);
  if (!canAnswer) return item;
  if (query.status === "pending") item.append(h("div", { class: "actions" }, button("Send", { on: () => act("send", {}) }), button("Withdraw", { on: () => act("withdraw", { reason: "not needed" }) })));
  if (query.status === "sent") {
    item.append(h("label", { for: answer.id }, "The physician's answer"), answer, h("div", { class: "actions" },
      ...[["agreed", "Agreed"], ["disagreed", "Disagreed"], ["answered", "Other answer"]].map(([outcome, words]) =>
        button(`Record: ${words}`, { on: () => act("answer", { answer: answer.value.trim(), outcome, answered_by: "physician" }) })),
      button("Withdraw", { on: () => act("withdraw", { reason: "not needed" }) })));
  }
  return item;
}

// -------------------------------------------------------------------------------------------------------------- finish

const ORDER = { error: 0, warning: 1, advice: 2 };
const OPEN = { undecided: "Without a decision", deferred: "Set aside for later", poa: "Without a present-on-admission (POA) value" };

function groupBy(items, nameOf) {
  const groups = new Map();
  for (const item of items) groups.set(nameOf(item), [...(groups.get(nameOf(item)) ?? []), item]);
  return groups;
}

/** One line a kind of open item, with a way to each code. */
function openLine(kind, items, close) {
  if (kind === "finding") return h("li", {}, `${plural(items.length, "finding")} below: resolve, or say why the codes stay as they are`);
  if (!OPEN[kind]) return h("li", {}, items.map((item) => h("p", {}, item.words, " ", item.key && goThere(item, close))));
  return h("li", {}, `${OPEN[kind]}: `, items.map((item) => goThere(item, close)));
}

function goThere(item, close) {
  return item.key ? button(item.code, { className: "button small code", on: () => close({ goTo: item.key }), name: `Go to ${item.code}` }) : h("span", { class: "code" }, item.code);
}

/** Show the codes, what the edits found and what is unfinished; resolves with the finished chart, {goTo: key} or null. */
export async function finishDialog({ chart, settle, eventId }) {
  const url = `/charts/${chart.info.chart_id}`;
  const open = h("div", {});
  const found = h("div", {});
  const codes = h("div", {});
  const problem = h("p", { class: "problem", role: "alert" });
  const reasons = new Map(); // finding -> the box of its reason
  let finish;

  const nameOf = (finding) => `${finding.rule_id}|${finding.codes.join(",")}`;
  const drawOpen = (items, close) => {
    open.replaceChildren(...(
      items.length
        ? [h("section", { class: "open-items" }, h("h3", {}, `Still open: ${items.length}`), h("ul", {}, [...groupBy(items, (item) => item.kind)].map(([kind, same]) => openLine(kind, same, close))))]
        : []
    ));
  };
  const rowOf = (code) => chart.rows.find((row) => finalCode(row) === code || row.code === code)?.key ?? null;
  const drawFindings = (findings, close) => {
    const sorted = [...findings].sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
    reasons.clear();
    found.replaceChildren(h("h3", {}, "What the edits found"), sorted.length ? h("ul", { class: "findings" }, sorted.map((finding, i) => {
      const line = findingLine(finding);
      const ways = finding.codes.map((code) => ({ code, key: rowOf(code) })).filter((way) => way.key);
      if (ways.length) line.append(h("div", { class: "actions" }, ways.map((way) => goThere(way, close))));
      if (finding.severity !== "advice") {
        const box = h("input", { id: `reason-${i}`, type: "text", autocomplete: "off" });
        reasons.set(nameOf(finding), { finding, box });
        line.append(h("label", { for: box.id }, "Reason to leave it as it is"), box);
      }
      return line;
    })) : h("p", { class: "good" }, "The edits object to nothing."));
  };
  const run = async (close) => {
    problem.textContent = "";
    finish.disabled = true;
    try {
      await settle();
      const acknowledged = [...reasons.values()].filter(({ box }) => box.value.trim())
        .map(({ finding, box }) => ({ rule_id: finding.rule_id, codes: finding.codes, reason: box.value.trim() }));
      close(await post(`${url}/finish`, { event_id: eventId, acknowledged }));
    } catch (error) {
      finish.disabled = false;
      problem.textContent = error.message;
      if (error.body?.open) {
        const missing = error.body.open.filter((item) => item.kind === "finding" && item.finding && !reasons.has(nameOf(item.finding)));
        if (missing.length) drawFindings([...[...reasons.values()].map((r) => r.finding), ...missing.map((item) => item.finding)], close);
        drawOpen(error.body.open.map((item) => ({ ...item, key: rowOf(item.code) })), close);
        open.scrollIntoView({ block: "nearest" });
      }
    }
  };

  return openDialog({
    title: `Finish chart ${chart.info.encounter_id}`,
    className: "wide",
    focus: chart.unfinished().length ? ".open-items button" : ".finish-now",
    body: (close) => {
      const list = chart.sequence.map((final, i) => h("li", { class: i === 0 ? "is-principal" : "" },
        i === 0 && h("span", { class: "badge-principal" }, chart.principalName),
        h("span", { class: "code" }, final.code), " ", final.description,
        chart.info.poa_required && h("span", { class: "tag" }, `POA ${final.poa_exempt ? "exempt" : final.poa ?? "not set"}`, final.poa && hidden(` ${POA_NAMES[final.poa]}`))));
      codes.append(h("section", {}, h("h3", {}, plural(chart.sequence.length, "code"), " in this order"), list.length ? [h("p", { class: "hint" }, chart.isInpatient
        ? "First stands the condition established after study to be chiefly responsible for the admission."
        : "First stands the condition chiefly responsible for the services provided."), h("ol", { class: "final-list" }, list)] : h("p", { class: "empty" }, "No code.")));
      drawOpen(chart.unfinished(), close);
      found.append(h("p", { class: "hint" }, "Running the edits …"));
      settle().then(() => get(`${url}/edits`)).then(
        (answer) => {
          drawFindings(answer.findings, close);
          const n = answer.findings.filter((f) => f.severity === "error").length;
          say(`${plural(n, "error")}, ${plural(answer.findings.length - n, "other finding")}.`);
          if (answer.skipped.length) found.append(h("p", { class: "hint" }, `Could not run: ${answer.skipped.join("; ")}`));
        },
        (error) => { found.replaceChildren(h("p", { class: "problem" }, `The edits did not run: ${error.message}`)); },
      );
      return [problem, open, found, codes];
    },
    actions: (close) => {
      finish = button("Finish chart", { className: "button primary finish-now", on: () => run(close) });
      return [button("Back to the chart", { on: () => close() }), finish];
    },
  });
}

// --------------------------------------------------------------------------------------------------------- whole chart

/** Hold, skip, give back, resume, return, assign: resolves with the chart as it is then, or null. */
export function chartDialog({ info, role, settle = async () => {} }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const reason = h("input", { id: "chart-reason", type: "text", autocomplete: "off" });
  const user = h("input", { id: "chart-user", type: "text", autocomplete: "off" });
  const run = (close, name, body) => async () => {
    problem.textContent = "";
    if ("reason" in body && body.reason().length < 3) {
      problem.textContent = "Please say why.";
      reason.focus();
      return;
    }
    try {
      await settle();
      const given = Object.fromEntries(Object.entries(body).map(([field, value]) => [field, value()]));
      close({ name, chart: await post(`/charts/${info.chart_id}/${name}`, given) });
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  const why = { reason: () => reason.value.trim() };
  const isManager = role === "manager";
  const holds = info.mine || isManager;
  const status = info.status;
  return openDialog({
    title: `Chart ${info.encounter_id}`,
    body: (close) => [
      problem,
      holds && info.assignee && ["assigned", "in_progress", "on_hold", "query_open", "in_audit"].includes(status) && h("section", {},
        h("h3", {}, "Stop working on it"),
        h("div", { class: "actions" },
          info.mine && ["assigned", "in_progress", "in_audit"].includes(status) && button("Skip: offer me other charts first", { on: run(close, "skip", {}) }),
          button("Give it back to the queue", { on: run(close, "release", {}) }))),
      ((holds && ["assigned", "in_progress"].includes(status)) || (["auditor", "manager"].includes(role) && ["finished", "audit", "in_audit", "audited"].includes(status))) && h("section", {},
        h("h3", {}, "Put it aside"),
        h("label", { for: "chart-reason" }, "Reason, at least three letters (no words of the note)"), reason,
        h("div", { class: "actions" },
          holds && ["assigned", "in_progress"].includes(status) && button("Hold", { on: run(close, "hold", why) }),
          ["auditor", "manager"].includes(role) && ["finished", "audit", "in_audit", "audited"].includes(status) && button("Return it to its coder", { on: run(close, "return", why) }))),
      holds && ["on_hold", "query_open"].includes(status) && h("div", { class: "actions" }, button("Go on with it", { className: "button primary", on: run(close, "resume", {}) })),
      isManager && h("section", {}, h("h3", {}, "Assign"), h("label", { for: "chart-user" }, "User name"), user,
        h("div", { class: "actions" }, button("Assign", { on: run(close, "assign", { user: () => user.value.trim() }) }))),
    ],
  });
}
