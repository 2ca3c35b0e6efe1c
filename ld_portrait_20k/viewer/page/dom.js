// Small helpers around the document. Text from a dataset goes in as text, never as HTML.

export function find(id) {
  return document.getElementById(id);
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function label(name) {
  return name.replaceAll("_", " ").replace(".", " ");
}

export function figure(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

// The last of several calls within `pause` milliseconds runs.
export function later(pause, work) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), pause);
  };
}

export function isTyping(event) {
  const tag = event.target.tagName;
  const kind = event.target.type;
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (tag === "SELECT" || tag === "TEXTAREA") return true;
  return tag === "INPUT" && !["checkbox", "radio", "button", "range", "color", "file"].includes(kind);
}
