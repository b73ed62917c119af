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
