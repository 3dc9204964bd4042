// A chart as the page holds it: the codes, what was decided of each, and the sequence. No elements and no requests here.

const SECTION_NAMES = { hpi: "HPI", pmh: "Past history", psh: "Surgical history", ros: "Review of systems" };
const PLACES_MARKED = { absent: "negated", someone_else: "family", hypothetical: "unsure", conditional: "unsure", possible: "unsure", historical: "past" };
const REASONS = {
  absent: "The note says it is absent.",
  someone_else: "It is said of someone else, such as a relative.",
  hypothetical: "It is only spoken of as something that might happen.",
  conditional: "It depends on something that has not happened.",
  possible: "It is only possible, which is not coded in this setting.",
  historical: "It is history, not a present condition.",
  integral: "It belongs to another condition that is coded.",
  superseded: "A more specific code says it better.",
  section: "It stands in a part of the note that is not coded from.",
  context: "What stands around it speaks against it.",
  release: "The code is not valid on the date of service.",
};

const ROLES = { supports: "support", contradicts: "against" };

export const sectionName = (name) => SECTION_NAMES[name] ?? capital((name || "other").replaceAll("_", " "));
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
export const whyNot = (item) => REASONS[item.reason] ?? capital(item.reason.replaceAll("_", " "));
export const keyOf = (item) => `${item.system ?? "ICD-10-CM"}|${item.code}`;
export const STANDING = new Set(["accept", "replace", "add"]);

export class Chart {
  load(answer) {
    this.info = answer.chart;
    this.documents = answer.documents;
    this.rows = answer.codes.map((code) => ({ ...code, key: keyOf(code) }));
    this.rows.forEach((row, i) => { row.hue = i % 8; });
    this.byKey = new Map(this.rows.map((row) => [row.key, row]));
    this.left = answer.suppressed.map((item, i) => ({ ...item, key: `why|${i}|${item.code}`, isLeft: true, kind: PLACES_MARKED[item.reason] ?? "" }));
    for (const item of this.left) this.byKey.set(item.key, item);
    this.queries = answer.queries;
    this.proposed = answer.proposed_queries;
    this.skipped = answer.skipped;
    this.versions = answer.versions;
    this.take(answer);
  }

  /** What every answer to a decision or a draft holds. */
  take({ final_codes: codes, findings, draft }) {
    if (codes) this.sequence = codes.map((code) => ({ ...code }));
    if (findings) this.findings = findings;
    if (draft) this.revision = draft.revision;
  }

  /** What the server alone knows of the codes that stand, while changes are on their way. */
  learn(codes) {
    const known = new Map(codes.map((code) => [keyOf(code), code]));
    this.sequence = this.sequence.map((final) => {
      const code = known.get(keyOf(final));
      return code ? { ...code, poa: final.poa } : final;
    });
  }

  get isInpatient() {
    return this.info.setting === "inpatient";
  }

  get principalName() {
    return this.isInpatient ? "Principal diagnosis" : "First-listed diagnosis";
  }

  row(key) {
    return this.byKey.get(key) ?? null;
  }

  /** The row that put a code into the sequence. */
  rowOf(final) {
    return this.rows.find((row) => row.decision && row.system === final.system && finalCode(row) === final.code) ?? null;
  }

  place(row) {
    const code = finalCode(row);
    return code ? this.sequence.findIndex((final) => final.system === row.system && final.code === code) : -1;
  }

  holds(system, code) {
    return this.sequence.some((final) => final.system === system && final.code === code);
  }

  blocks() {
    const chosen = this.sequence.map((final) => this.rowOf(final)).filter(Boolean);
    const is = (action) => (row) => row.decision?.action === action;
    const open = this.rows.filter((row) => !row.decision && row.probability !== null);
    return {
      chosen,
      undecided: open.filter((row) => row.selected),
      deferred: this.rows.filter(is("defer")),
      below: open.filter((row) => !row.selected),
      rejected: this.rows.filter(is("reject")),
      left: this.left,
    };
  }

  /** How far the person is: of the codes put forward, how many have a decision. */
  progress() {
    const forward = this.rows.filter((row) => row.selected);
    return { done: forward.filter((row) => row.decision && row.decision.action !== "defer").length, of: forward.length };
  }

  findingsOf(row) {
    const codes = new Set([row.code, finalCode(row)]);
    return this.findings.filter((finding) => finding.codes.some((code) => codes.has(code)));
  }

  /** Set or take away (null) the decision of a row; the sequence follows. */
  decide(row, decision) {
    const before = this.place(row);
    const old = before >= 0 ? this.sequence[before] : null;
    row.decision = decision;
    const code = finalCode(row);
    const stands = this.rows.some((other) => old && other.decision && other.system === old.system && finalCode(other) === old.code);
    if (old && !stands) this.sequence = this.sequence.filter((final) => final !== old);
    if (code && !this.holds(row.system, code)) {
      const description = decision.description ?? (code === row.code ? row.description : "");
      const final = { system: row.system, code, description, poa: null, poa_exempt: false };
      this.sequence = before >= 0 ? this.sequence.toSpliced(before, 0, final) : [...this.sequence, final];
    }
  }

  add(code, evidence) {
    const known = this.row(keyOf(code));
    if (known) return known;
    const row = {
      ...code, key: keyOf(code), probability: null, rank: null, selected: false, billable: true, status: "added", note: "", evidence, n_evidence: evidence.length,
      alternatives: [], by_document: [], findings: [], decision: null, hue: this.rows.length % 8,
    };
    this.rows.push(row);
    this.byKey.set(row.key, row);
    return row;
  }

  move(from, to) {
    const sequence = [...this.sequence];
    const [moved] = sequence.splice(from, 1);
    sequence.splice(to, 0, moved);
    this.sequence = sequence;
  }

  setPoa(place, poa) {
    this.sequence = this.sequence.map((final, i) => (i === place ? { ...final, poa } : final));
  }

  draft() {
    return { sequence: this.sequence.map(({ system, code, poa }) => ({ system, code, poa })) };
  }

  /** What keeps the chart from being finished, as far as the page can tell: [{kind, key, code, words}]. */
  unfinished() {
    const { undecided, deferred } = this.blocks();
    const items = undecided.map((row) => ({ kind: "undecided", key: row.key, code: row.code }));
    items.push(...deferred.map((row) => ({ kind: "deferred", key: row.key, code: row.code })));
    if (!this.sequence.length) items.push({ kind: "no_codes", key: null, words: "The chart has no code yet." });
    if (this.info.poa_required) {
      const without = this.sequence.filter((final) => !final.poa && !final.poa_exempt && final.poa_needed !== false);
      items.push(...without.map((final) => ({ kind: "poa", key: this.rowOf(final)?.key ?? null, code: final.code })));
    }
    return items;
  }

  /** The places to mark: a list for each document, in characters. */
  marks() {
    const marks = this.documents.map(() => []);
    const put = (item, kind, place, isFamily = false) => place && marks[place.document]?.push({ row: item.key, kind, start: place.start, end: place.end, isFamily });
    for (const row of this.rows) for (const place of row.evidence) put(row, ROLES[place.role] ?? "context", place, isFamilyCode(row));
    for (const item of this.left) {
      for (const place of item.evidence) put(item, item.kind || "left", place);
      put(item, "cue", item.cue);
    }
    return marks;
  }
}

/** Categories Z80 to Z84 are family history: what supports them is said of a relative. */
const isFamilyCode = (row) => row.system === "ICD-10-CM" && /^Z8[0-4]/.test(row.code);

export function finalCode(row) {
  return row.decision && STANDING.has(row.decision.action) ? row.decision.final_code ?? row.code : null;
}

const POA_CYCLE = ["Y", "N", "U", "W"];
export const POA_NAMES = { Y: "present on admission", N: "not present on admission", U: "documentation insufficient", W: "clinically undetermined", 1: "exempt" };

export function nextPoa(final) {
  const values = final.poa_exempt ? ["1", null] : [...POA_CYCLE, null];
  return values[(values.indexOf(final.poa ?? null) + 1) % values.length];
}
