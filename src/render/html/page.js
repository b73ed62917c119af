"use strict";
(() => {
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
root.classList.add("script");

// ---- Making elements. Whatever comes from a report becomes a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const bar = (share, kind = "") =>
  svg("svg", { class: kind, "aria-hidden": "true" }, svg("rect", { width: `${(100 * share).toFixed(1)}%`, height: "100%" }));
const dot = (outcome) => el("i", { class: `dot ${outcome}` });

// ---- Words

const number = (count) => count.toLocaleString("en-US");
const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function duration(seconds) {
  if (seconds === 0) return "0s";
  if (seconds < 0.00995) return `${(seconds * 1e3).toFixed(1)}ms`;
  if (seconds < 0.9995) return `${(seconds * 1e3).toFixed(0)}ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  return `${number(Math.floor(whole / 3600))}h ${Math.floor((whole % 3600) / 60)}m`;
}

/** As in coverage.py, 100 and 0 are only said where they are exact. */
function percent(share) {
  const value = 100 * share;
  const shown = value > 99.9 && value < 100 ? 99.9 : value > 0 && value < 0.1 ? 0.1 : value;
  return `${shown.toFixed(1)}%`;
}

// ---- Data

/** @type {Map<number, Promise<any[]>>} */
const opened = new Map();

/** A long text, which lies compressed in the page. */
async function textOf([pack, place]) {
  if (!opened.has(pack)) {
    const bytes = Uint8Array.from(atob(data.texts[pack]), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    opened.set(pack, new Response(stream).json());
  }
  return (await opened.get(pack))[place];
}

const tests = data.tests.map(([file, rest, outcome, shard, setup, call, teardown, line], index) => {
  const note = data.notes[index] || {};
  const path = data.files[file];
  return {
    index, file: path, rest, shard, line, note,
    name: rest.replace(/^::/, "") || path,
    id: path + rest,
    outcome: data.outcomes[outcome],
    setup: setup / 1e4, call: call / 1e4, teardown: teardown / 1e4, seconds: (setup + call + teardown) / 1e4,
    text: `${path}${rest} ${note.message || ""}`.toLowerCase(),
  };
});
const slowest = tests.reduce((most, test) => Math.max(most, test.seconds), 0) || 1;

const sources = data.sources.map(([path, statements, covered, branches, coveredBranches, text], index) => {
  const all = statements + branches;
  return {
    index, path, text, missing: statements - covered, missingBranches: branches - coveredBranches, statements,
    share: all ? (covered + coveredBranches) / all : 1, search: path.toLowerCase(),
  };
});

/** The page of a line of the repository, if it is shown anywhere. */
function linkTo(path, line) {
  if (!data.blob || path.split("/").some((part) => ["", ".", ".."].includes(part))) return null;
  const page = `${data.blob}/${path.split("/").map(encodeURIComponent).join("/")}`;
  return line ? `${page}#L${line}` : page;
}

function place(path, line) {
  const text = line ? `${path}:${line}` : path;
  const measured = sources.find((source) => source.path === path);
  const url = linkTo(path, line);
  return el("span", { class: "place" }, url ? el("a", { href: url, rel: "noreferrer" }, text) : text,
    measured && " ", measured && el("a", { href: `#coverage?file=${measured.index}&line=${line || 1}` }, "(coverage)"));
}

/** All words are in the text, those with a minus are not. */
function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
  return (text) => words.every((word) => (word[0] === "-" ? !text.includes(word.slice(1)) : text.includes(word)));
}

// ---- A list of any length: only the rows in sight exist.

class List {
  static ROW = 34;

  /** `row(item)` makes the inside of a row; `open(item)` shows what the row stands for. */
  constructor(name, row, open) {
    this.row = row;
    this.open = open;
    this.items = [];
    this.current = -1;
    this.shown = new Map();
    this.rows = el("div", { class: "rows", role: "presentation" });
    this.node = el("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": name, onscroll: () => this.draw() }, this.rows);
    this.name = name.toLowerCase();
    this.node.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  show(items) {
    const before = this.items[this.current];
    this.items = items;
    this.current = before ? items.indexOf(before) : -1;
    this.rows.style.height = `${items.length * List.ROW}px`;
    this.clear();
    this.draw();
  }

  clear() {
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.node.scrollTop / List.ROW) - 10);
    const last = Math.min(this.items.length, Math.ceil((this.node.scrollTop + this.node.clientHeight) / List.ROW) + 10);
    for (const [at, node] of this.shown) {
      if (at < first || at >= last) {
        node.remove();
        this.shown.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) {
      if (this.shown.has(at)) continue;
      const node = el("div", {
        class: "row", role: "option", id: `${this.name}-row-${at}`, "aria-setsize": this.items.length, "aria-posinset": at + 1,
        "aria-selected": String(at === this.current), onclick: () => this.choose(at),
      }, ...this.row(this.items[at]));
      node.style.top = `${at * List.ROW}px`;
      this.shown.set(at, node);
      this.rows.append(node);
    }
  }

  mark(at) {
    this.shown.get(this.current)?.setAttribute("aria-selected", "false");
    this.current = at;
    if (at < 0) return this.node.removeAttribute("aria-activedescendant");
    const top = at * List.ROW;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    const over = top + List.ROW - this.node.clientHeight;
    if (over > this.node.scrollTop) this.node.scrollTop = over;
    this.draw();
    this.shown.get(at)?.setAttribute("aria-selected", "true");
    this.node.setAttribute("aria-activedescendant", `${this.name}-row-${at}`);
  }

  choose(at) {
    this.mark(at);
    this.open(this.items[at]);
  }

  step(by) {
    if (this.items.length === 0) return;
    const at = Math.min(this.items.length - 1, Math.max(0, this.current + by));
    if (at === this.current) return;
    this.choose(at);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.node.clientHeight / List.ROW) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined) this.step(by);
    else if (event.key === "Enter" && this.current >= 0) this.node.dispatchEvent(new Event("go", { bubbles: true }));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

// ---- The address: #part?what=is-shown, so that a link and the way back lead to the same view.

const parts = [...document.querySelectorAll(".part")].map((part) => part.id).filter((part) => part !== "coverage" || sources.length);

function address() {
  const [part, query] = location.hash.slice(1).split("?");
  return { part: parts.includes(part) ? part : "overview", query: new URLSearchParams(query || "") };
}

/** Sets what is not empty; typing and walking through a list leave no trail of their own. */
function remember(part, values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const text = query.toString();
  history.replaceState(null, "", `#${part}${text ? `?${text}` : ""}`);
}

function button(label, title, onclick) {
  return el("button", { type: "button", title, onclick }, label);
}

async function copy(text, control) {
  const label = control.textContent;
  try {
    await navigator.clipboard.writeText(text);
    control.textContent = "Copied";
  } catch {
    control.textContent = "No clipboard";
  }
  setTimeout(() => { control.textContent = label; }, 1200);
}

function select(name, options, onchange) {
  return el("select", { "aria-label": name, onchange }, options.map(([value, label]) => el("option", { value }, label)));
}

// ---- Tests

const testsView = (() => {
  const part = byId("tests");
  const state = { q: "", outcome: "", past: "", shard: "", sort: "", test: "" };
  const ORDERS = {
    "": () => 0,
    name: (one, other) => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0),
    slowest: (one, other) => other.seconds - one.seconds,
  };

  const search = el("input", { type: "search", placeholder: "Search names and messages; -word leaves out", "aria-label": "Search tests", oninput: () => change({ q: search.value }) });
  const shards = [...new Set(tests.map((test) => test.shard))].filter(Boolean).sort((one, other) => one - other);
  const shard = select("Shard", [["", "All shards"], ...shards.map((index) => [String(index), `Shard ${index}`])], () => change({ shard: shard.value }));
  const pasts = [...new Set(tests.flatMap((test) => test.note.past || []))];
  const past = select("Since the baseline", [["", "Any change"], ...pasts.map((word) => [word, word[0].toUpperCase() + word.slice(1)])], () => change({ past: past.value }));
  past.hidden = pasts.length === 0;
  const sort = select("Order", [["", "Worst first"], ["name", "By name"], ["slowest", "Slowest first"]], () => change({ sort: sort.value }));
  const counts = Map.groupBy ? Map.groupBy(tests, (test) => test.outcome) : tests.reduce((map, test) => map.set(test.outcome, [...(map.get(test.outcome) || []), test]), new Map());
  const chips = data.outcomes.toReversed().filter((outcome) => counts.has(outcome)).map((outcome) => el("button", {
    type: "button", "data-outcome": outcome, "aria-pressed": "false", onclick: () => toggle(outcome),
  }, dot(outcome), `${outcome} ${number(counts.get(outcome).length)}`));
  const count = el("div", { class: "count", role: "status" });
  const list = new List("Tests", row, (test) => change({ test: String(test.index) }));
  const detail = el("article", { class: "pane detail", tabindex: "-1", "aria-label": "Test", hidden: true });
  const split = el("div", { class: "split" },
    el("div", { class: "pane" }, el("div", { class: "filters" }, search, past, shard, sort, el("div", { class: "chips", role: "group", "aria-label": "Outcomes" }, chips)), count, list.node),
    detail);
  part.append(split);
  list.node.addEventListener("go", () => detail.focus());

  function row(test) {
    return [
      dot(test.outcome),
      el("span", { class: "name", title: test.id },
        test.name, " ", test.note.message ? el("span", { class: test.outcome === "failed" || test.outcome === "error" ? "said" : "" }, test.note.message) : el("span", {}, test.rest ? test.file : "")),
      test.note.attempts ? el("span", { class: "badge" }, counted(test.note.attempts, "attempt")) : null,
      el("span", { class: "spoken" }, test.outcome),
      bar(test.seconds / slowest),
      el("span", { class: "number" }, duration(test.seconds)),
    ];
  }

  function toggle(outcome) {
    const chosen = new Set(state.outcome.split(",").filter(Boolean));
    if (!chosen.delete(outcome)) chosen.add(outcome);
    change({ outcome: [...chosen].join(",") });
  }

  function change(values) {
    Object.assign(state, values);
    remember("tests", state);
    draw(values);
  }

  function draw(changed) {
    search.value = state.q;
    shard.value = state.shard;
    past.value = state.past;
    sort.value = state.sort in ORDERS ? state.sort : "";
    const outcomes = new Set(state.outcome.split(",").filter(Boolean));
    for (const chip of chips) chip.setAttribute("aria-pressed", String(outcomes.has(chip.dataset.outcome)));
    if (!("test" in changed) || Object.keys(changed).length > 1) {
      const matches = matcher(state.q);
      const found = tests.filter((test) => (outcomes.size === 0 || outcomes.has(test.outcome)) && (!state.shard || String(test.shard) === state.shard) && (!state.past || test.note.past?.includes(state.past)) && matches(test.text));
      list.show(state.sort ? found.sort(ORDERS[sort.value]) : found);
      const hidden = data.hidden ? `; ${counted(data.hidden, "test")} had no room here and are in junit.xml` : "";
      count.textContent = (found.length === tests.length ? counted(tests.length, "test") : `${number(found.length)} of ${counted(tests.length, "test")}`) + hidden;
    }
    const test = state.test === "" ? undefined : tests[Number(state.test)];
    split.classList.toggle("open", Boolean(test));
    detail.hidden = !test;
    const at = test ? list.items.indexOf(test) : -1;
    if (at !== list.current) list.mark(at);
    if (test) show(test);
  }

  function fact(name, value) {
    return el("span", {}, `${name} `, el("b", {}, value));
  }

  let asked = 0;
  async function show(test) {
    const own = asked += 1;
    const copyId = button("Copy id", "Copy the node id", () => copy(test.id, copyId));
    const command = `pytest '${test.id.replaceAll("'", `'\\''`)}'`;
    const copyCommand = button("Copy command", command, () => copy(command, copyCommand));
    const [path, line] = test.note.place || [data.folder + test.file, test.line];
    const body = el("div", {});
    detail.replaceChildren(
      el("div", { class: "actions" }, copyId, copyCommand, button("✕", "Close (Esc)", close)),
      el("span", { class: `badge ${test.outcome}` }, test.outcome), ...(test.note.past || []).flatMap((word) => [" ", el("span", { class: "badge" }, word)]),
      el("h2", {}, test.name),
      el("div", {}, place(path, line)),
      el("div", { class: "times" },
        fact("time", duration(test.seconds)), fact("setup", duration(test.setup)), fact("call", duration(test.call)), fact("teardown", duration(test.teardown)),
        test.note.before === undefined ? null : fact("before", duration(test.note.before)), test.note.was ? fact("was", test.note.was) : null,
        test.shard ? fact("shard", String(test.shard)) : null, test.note.attempts ? fact("attempts", String(test.note.attempts)) : null),
      body);
    detail.scrollTop = 0;
    if (test.note.cut) body.append(el("p", { class: "more" }, "Its text had no room in this page: it is in junit.xml."));
    if (!test.note.text && !test.note.cut) body.append(el("p", { class: "more" }, "It printed nothing."));
    if (!test.note.text) return;
    const text = await textOf(test.note.text);
    if (own === asked) body.replaceChildren(...text.problems.flatMap(problem), ...output("Captured stdout", text.out), ...output("Captured stderr", text.err));
  }

  function problem(said) {
    const what = { failure: "Failure", error: "Error", skip: "Skipped", xfail: "Expected to fail", rerun: "An attempt that was repeated" }[said.kind];
    const where = said.phase === "call" ? "" : ` in its ${said.phase}`;
    return [
      el("h3", {}, what + where, said.subtest ? ", subtest " : "", said.subtest ? el("code", {}, said.subtest) : ""),
      said.place ? place(...said.place) : "",
      said.message && !said.text.includes(said.message) ? el("pre", { class: "said" }, said.message) : "",
      said.text.trim() ? el("pre", { class: "trace", tabindex: "0" }, said.text.split("\n").map(traceLine)) : "",
    ];
  }

  /** pytest marks the failing line with > and what is wrong with E. */
  function traceLine(line) {
    const text = `${line}\n`;
    if (/^E( |$)/.test(line)) return el("i", {}, text);
    if (/^>/.test(line)) return el("u", {}, text);
    if (/^(_ )+_?$|^[-=_]{5,}/.test(line)) return el("s", {}, text);
    return text;
  }

  function output(title, text) {
    return text.trim() ? [el("h3", {}, title), el("pre", { tabindex: "0" }, text)] : [];
  }

  function close() {
    change({ test: "" });
    list.node.focus();
  }

  return {
    list, search, detail, close,
    isOpen: () => state.test !== "",
    enter(query) {
      const before = JSON.stringify(state);
      for (const name of Object.keys(state)) state[name] = query.get(name) || "";
      if (JSON.stringify(state) !== before || list.items.length === 0) draw(state);
      list.draw();
    },
  };
})();

// ---- Coverage

const coverageView = (() => {
  const part = byId("coverage");
  if (sources.length === 0) return null;
  const state = { q: "", sort: "", file: "", line: "" };
  const ORDERS = {
    "": (one, other) => one.share - other.share || other.missing - one.missing,
    missing: (one, other) => other.missing - one.missing || other.missingBranches - one.missingBranches,
    name: (one, other) => (one.path < other.path ? -1 : 1),
  };
  const search = el("input", { type: "search", placeholder: "Search files; -word leaves out", "aria-label": "Search files", oninput: () => change({ q: search.value }) });
  const sort = select("Order", [["", "Least covered first"], ["missing", "Most missing first"], ["name", "By name"]], () => change({ sort: sort.value }));
  const count = el("div", { class: "count", role: "status" });
  const list = new List("Files", row, (source) => change({ file: String(source.index), line: "" }));
  const heading = el("div", { class: "head" });
  const lines = el("div", { class: "source", tabindex: "0", role: "region", "aria-label": "Source" });
  const detail = el("article", { class: "pane", "aria-label": "File", hidden: true }, heading,
    el("div", { class: "keyed" }, ...[["c", "covered"], ["p", "partly covered"], ["m", "missing"]].map(([kind, word]) => el("span", {}, el("i", { class: kind }), word))),
    lines);
  const split = el("div", { class: "split" }, el("div", { class: "pane" }, el("div", { class: "filters" }, search, sort), count, list.node), detail);
  part.append(split);
  list.node.addEventListener("go", () => { lines.focus(); walk(1); });

  function row(source) {
    const at = source.path.lastIndexOf("/") + 1;
    return [
      el("span", { class: "name", title: source.path }, el("span", {}, source.path.slice(0, at)), source.path.slice(at)),
      el("span", { class: "number" }, source.missing ? `${number(source.missing)} missing` : ""),
      bar(source.share, "percent"),
      el("span", { class: "number" }, percent(source.share)),
    ];
  }

  function change(values) {
    Object.assign(state, values);
    remember("coverage", state);
    draw(values);
  }

  function draw(changed) {
    search.value = state.q;
    sort.value = state.sort in ORDERS ? state.sort : "";
    if (!("file" in changed) || Object.keys(changed).length > 2) {
      const matches = matcher(state.q);
      const found = sources.filter((source) => matches(source.search)).sort(ORDERS[sort.value]);
      list.show(found);
      count.textContent = found.length === sources.length ? counted(found.length, "file") : `${number(found.length)} of ${counted(sources.length, "file")}`;
    }
    const source = state.file === "" ? undefined : sources[Number(state.file)];
    split.classList.toggle("open", Boolean(source));
    detail.hidden = !source;
    const at = source ? list.items.indexOf(source) : -1;
    if (at !== list.current) list.mark(at);
    if (source) show(source);
  }

  let asked = 0;
  let shown = -1;
  async function show(source) {
    const own = asked += 1;
    const url = linkTo(source.path);
    const branches = data.branch && source.missingBranches ? `, ${number(source.missingBranches)} branches` : "";
    heading.replaceChildren(
      el("div", { class: "actions" }, button("↑", "Previous gap (p)", () => walk(-1)), button("↓", "Next gap (n)", () => walk(1)), button("✕", "Close (Esc)", close)),
      el("h2", {}, url ? el("a", { href: url, rel: "noreferrer" }, source.path) : source.path),
      el("small", {}, `${percent(source.share)} of ${counted(source.statements, "statement")}${data.branch ? " and their branches" : ""}; missing: ${counted(source.missing, "line")}${branches}`));
    if (shown !== source.index) {
      lines.replaceChildren();
      if (source.text) {
        const text = await textOf(source.text);
        if (own !== asked) return;
        lines.replaceChildren(text.source || !text.marks ? inColour(text) : marksOnly(text));
      } else {
        lines.replaceChildren(el("p", { class: "empty" }, "This file had no room in the page."));
      }
      lines.scrollTo(0, 0);
      shown = source.index;
    }
    if (state.line) go(Number(state.line));
  }

  function inColour(text) {
    const partial = new Map(text.partial);
    const all = text.source.split("\n");
    if (all.at(-1) === "") all.pop();
    const blocks = [];
    for (let start = 0; start < all.length; start += 100) {
      blocks.push(el("div", { class: "block" }, all.slice(start, start + 100).map((code, offset) => {
        const number = start + offset + 1;
        const never = partial.get(number);
        return el("div", { class: `line ${text.marks[number - 1].trim()}`, "data-line": number }, el("b", {}, String(number)), el("span", {}, code || " "),
          never ? el("em", {}, `never went to ${never.map((to) => (to ? `line ${to}` : "the end")).join(", ")}`) : "");
      })));
    }
    return el("div", { class: "lines" }, blocks);
  }

  function marksOnly(text) {
    const missing = [];
    [...text.marks].forEach((mark, at) => {
      if (mark !== "m") return;
      const last = missing.at(-1);
      if (last && last[1] === at) last[1] = at + 1;
      else missing.push([at + 1, at + 1]);
    });
    const ranges = missing.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(", ");
    return el("p", { class: "empty" }, `The source could not be read here. ${ranges ? `Missing lines: ${ranges}` : "No line is missing."}`);
  }

  function go(number) {
    lines.querySelector(".here")?.classList.remove("here");
    const line = lines.querySelector(`[data-line="${Number(number)}"]`);
    line?.classList.add("here");
    line?.scrollIntoView({ block: "center" });
  }

  /** To the next run of lines that are not fully covered. */
  function walk(by) {
    const here = Number(lines.querySelector(".here")?.dataset.line || 0);
    const gaps = [...lines.querySelectorAll(".line.m, .line.p")].filter((line) => !line.previousElementSibling?.matches(".m, .p"));
    const numbers = gaps.map((line) => Number(line.dataset.line));
    const next = by > 0 ? numbers.find((number) => number > here) : numbers.findLast((number) => number < here);
    if (next) go(next);
  }

  function close() {
    change({ file: "", line: "" });
    list.node.focus();
  }

  for (const link of document.querySelectorAll("[data-file]")) {
    const source = sources.find((source) => source.path === link.dataset.file);
    if (source) link.href = `#coverage?file=${source.index}`;
  }

  return {
    list, search, walk, close,
    isOpen: () => state.file !== "",
    enter(query) {
      for (const name of Object.keys(state)) state[name] = query.get(name) || "";
      draw(state);
      list.draw();
    },
  };
})();

// ---- Parts, keys, colours

const views = { tests: testsView, coverage: coverageView };

function enter() {
  const { part, query } = address();
  for (const name of parts) byId(name).hidden = name !== part;
  for (const link of document.querySelectorAll("nav > a")) {
    if (link.getAttribute("href") === `#${part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  views[part]?.enter(query);
}

const THEMES = ["system", "light", "dark"];
let theme = "system";
const store = (() => {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
})();

function setTheme(name) {
  theme = THEMES.includes(name) ? name : "system";
  root.classList.remove("light", "dark");
  if (theme !== "system") root.classList.add(theme);
  byId("theme").firstChild.textContent = { system: "◐", light: "☀", dark: "☾" }[theme];
  store?.setItem("parallel-pytest-colours", theme);
}

const nextTheme = () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
const help = byId("keys");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const view = views[address().part];
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (event.target.matches("input") && event.target.value) return;
    if (view?.isOpen()) view.close();
    else if (typing) view?.list.node.focus();
    return;
  }
  if (typing) {
    if (event.key === "ArrowDown" && event.target.matches("input")) {
      view?.list.node.focus();
      view?.list.step(1);
      event.preventDefault();
    }
    return;
  }
  const actions = {
    "/": () => {
      if (!view) {
        location.hash = "#tests";
        enter();
      }
      (view || testsView).search.focus();
      (view || testsView).search.select();
    },
    j: () => view?.list.step(1),
    k: () => view?.list.step(-1),
    n: () => view?.walk?.(1),
    p: () => view?.walk?.(-1),
    t: nextTheme,
    "?": () => help.showModal(),
  };
  const at = Number(event.key);
  const go = ["overview", "tests", "shards", "coverage"][at - 1];
  if (parts.includes(go)) location.hash = `#${go}`;
  else if (actions[event.key]) actions[event.key]();
  else return;
  event.preventDefault();
});

byId("theme").addEventListener("click", nextTheme);
byId("help").addEventListener("click", () => help.showModal());
byId("keys-close").addEventListener("click", () => help.close());
window.addEventListener("hashchange", enter);
setTheme(store?.getItem("parallel-pytest-colours"));
enter();
})();
