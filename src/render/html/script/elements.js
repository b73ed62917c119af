"use strict";
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
