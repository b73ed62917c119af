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
