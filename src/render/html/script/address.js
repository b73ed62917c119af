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
