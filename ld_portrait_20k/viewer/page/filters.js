// The filters: values with counts beside them, and ranges with histograms.

import { figure, find, label, later, make } from "./dom.js";

const NULL = "(not given)";
const NO_MARK = "(not marked)";

export class Filters {
  constructor(address) {
    this.address = address;
    this.element = find("facets");
    this.parts = new Map(); // name -> what updates its section
    this.typed = later(300, (name, text) => address.setFilter(name, text ? [text] : []));
  }

  show(facets) {
    for (const facet of [...facets.texts, ...facets.numbers]) {
      const isNumber = "bars" in facet;
      if (!this.parts.has(facet.name)) {
        const part = isNumber ? this.range(facet) : this.values(facet);
        this.parts.set(facet.name, part);
        this.element.append(part.element);
      }
      this.parts.get(facet.name).update(facet);
    }
  }

  section(name) {
    const on = make("span", { className: "on" });
    const summary = make("summary", {}, `${label(name)} `, on);
    const element = make("details", { open: false }, summary);
    element.dataset.field = name;
    return { element, on };
  }

  values(facet) {
    const { element, on } = this.section(facet.name);
    element.open = ["split", "mark"].includes(facet.name) || this.address.picked(facet.name).length > 0;
    const rows = new Map();
    for (const { value } of facet.values) {
      const box = make("input", { type: "checkbox" });
      const count = make("output");
      const name = make("span", { className: "prompt" }, value || (facet.name === "mark" ? NO_MARK : NULL));
      rows.set(value, { box, count });
      element.append(make("label", { className: "value" }, box, name, count));
      box.addEventListener("change", () => {
        const picked = [...rows].filter(([, row]) => row.box.checked).map(([one]) => one);
        this.address.setFilter(facet.name, picked);
      });
    }
    const update = (now) => {
      const picked = this.address.picked(now.name);
      on.textContent = picked.length ? `(${picked.length})` : "";
      for (const { value, count } of now.values) {
        const row = rows.get(value);
        row.box.checked = picked.includes(value);
        row.count.textContent = count.toLocaleString("en");
      }
    };
    return { element, update };
  }

  range(facet) {
    const { element, on } = this.section(facet.name);
    element.open = this.address.picked(facet.name).length > 0;
    const bars = make("div", { className: "bars", ariaHidden: "true" });
    const inputs = ["least", "greatest"].map((title) => {
      const input = make("input", { type: "number", step: "any" });
      input.ariaLabel = `${label(facet.name)}, ${title}`;
      return input;
    });
    inputs[0].placeholder = figure(facet.low);
    inputs[1].placeholder = figure(facet.high);
    for (const input of inputs) {
      input.addEventListener("input", () => {
        const [low, high] = inputs.map((one) => one.value);
        this.typed(facet.name, low || high ? `${low}..${high}` : "");
      });
    }
    const titles = [make("label", {}, "from ", inputs[0]), make("label", {}, "to ", inputs[1])];
    element.append(bars, make("div", { className: "range" }, ...titles));
    const update = (now) => {
      const picked = this.address.picked(now.name)[0] ?? "..";
      on.textContent = picked === ".." ? "" : "(on)";
      const ends = picked.split("..");
      inputs.forEach((input, at) => {
        if (document.activeElement !== input) input.value = ends[at] ?? "";
      });
      const most = Math.max(1, ...now.bars);
      bars.replaceChildren(
        ...now.bars.map((count) => {
          const bar = make("i");
          bar.style.height = `${(100 * count) / most}%`;
          return bar;
        }),
      );
    };
    return { element, update };
  }
}
