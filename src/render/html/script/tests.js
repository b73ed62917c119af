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
  shard.hidden = shards.length < 2;
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
        test.name, " ", el("span", {}, test.rest ? test.file : ""), " ",
        test.note.message ? el("span", { class: test.outcome === "failed" || test.outcome === "error" ? "said" : "" }, test.note.message) : null),
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
        test.shard ? fact("shard", String(test.shard)) : null, test.note.attempts ? fact("attempts", String(test.note.attempts)) : null,
        ...(test.note.environments || []).map(([environment, outcome]) => fact(environment, outcome))),
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
