// The tables beside one sample: prompt, attributes, figures, provenance, code that loads it.

import { figure, find, label, make } from "./dom.js";

export function showFacts(sample) {
  const { metadata } = sample;
  const parts = [];
  if (sample.rejected) {
    parts.push(heading("Rejected"), table([["reason", sample.rejected], ["detail", sample.detail]]));
  }
  parts.push(heading("Prompt"), text(metadata.prompt || "no prompt"));
  if (metadata.negative_prompt) parts.push(heading("Negative prompt"), text(metadata.negative_prompt));
  parts.push(...section("Attributes", metadata.attributes));
  parts.push(...section("Refinement", metadata.refinement));
  parts.push(...section("Distance to truth", metadata.truth));
  parts.push(...section("Quality", metadata.quality));
  parts.push(...provenance(sample));
  if (sample.code) parts.push(heading("Load this sample"), ...code(sample.code));
  find("facts").replaceChildren(...parts);
  find("facts").scrollTop = 0;
}

function provenance(sample) {
  const { metadata } = sample;
  const { models = [], ...generator } = metadata.generator ?? {};
  const rows = [
    ["split", sample.split],
    ["size", metadata.width ? `${metadata.width} × ${metadata.height}` : null],
    ["seed", metadata.seed],
    ["attempt", metadata.attempt],
    ["shard", sample.shard],
    ["offset", sample.offset],
    ...Object.entries(generator).map(([name, value]) => [`generator ${name}`, value]),
    ...Object.entries(metadata.source ?? {}).map(([name, value]) => [`source ${name}`, value]),
  ];
  for (const model of models ?? []) {
    for (const [name, value] of Object.entries(model)) {
      if (name !== "role") rows.push([`${model.role ?? "model"} ${name}`, value]);
    }
  }
  return [heading("Provenance"), table(rows)];
}

function section(title, values) {
  const rows = Object.entries(values ?? {}).filter(([, value]) => value !== null);
  return rows.length ? [heading(title), table(rows)] : [];
}

function heading(title) {
  return make("h3", {}, title);
}

function text(content) {
  return make("p", { className: "prompt", dir: "auto" }, String(content));
}

function table(rows) {
  const body = make("tbody");
  for (const [name, value] of rows) {
    if (value === null || value === undefined) continue;
    const shown = typeof value === "object" ? JSON.stringify(value) : exact(value);
    body.append(
      make("tr", {}, make("th", { scope: "row" }, label(name)), make("td", { className: "prompt", dir: "auto" }, shown)),
    );
  }
  return make("table", {}, body);
}

function exact(value) {
  return typeof value === "number" && !Number.isInteger(value) ? figure(value) : String(value);
}

function code(content) {
  const shown = make("pre", { tabIndex: 0 }, content);
  const button = make("button", { type: "button", id: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(content);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown); // no access to the clipboard: copy by hand
      button.textContent = "Selected; copy with Ctrl-C";
    }
  });
  return [shown, button];
}
