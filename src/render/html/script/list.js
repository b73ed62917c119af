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
