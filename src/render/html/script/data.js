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
