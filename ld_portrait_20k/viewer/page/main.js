// Ties the parts of the page together.

import { Address } from "./address.js";
import { Backdrop, KINDS } from "./backdrop.js";
import { find, isTyping, label, later, make } from "./dom.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { SampleView } from "./sample.js";
import { ServerSource } from "./server_source.js";
import { StaticSource } from "./static_source.js";

const source = globalThis.PORTRAITS ? new StaticSource(globalThis.PORTRAITS) : new ServerSource();
const address = new Address();
const backdrop = new Backdrop();
const filters = new Filters(address);
const grid = new Grid(source, { open, tell });
const view = new SampleView(source, grid, address, backdrop);
let loaded = null;
let about = null;

function tell(text) {
  find("notice").textContent = text;
}

function open(id, place) {
  view.guess = place;
  address.set({ sample: id }, true);
}

function count(total) {
  const all = about.samples.toLocaleString("en");
  find("count").textContent = total === about.samples ? `${all} samples` : `${total.toLocaleString("en")} of ${all} samples`;
}

async function showFacets() {
  const query = address.query();
  const facets = await source.facets(query);
  if (query === address.query()) filters.show(facets);
}

// Make the page show what the address says.
async function follow() {
  const behind = address.get("behind", "light");
  if (behind !== backdrop.text) backdrop.set(behind);
  const alphaOnly = address.get("show") === "alpha";
  document.body.classList.toggle("alpha-only", alphaOnly);
  find("alpha-only").checked = alphaOnly;
  const sort = address.get("sort", "id");
  find("order").value = sort.replace("-", "");
  find("falling").ariaPressed = String(sort.startsWith("-"));
  for (const [id, name] of [["search", "q"], ["where", "where"]]) {
    if (document.activeElement !== find(id)) find(id).value = address.get(name);
  }
  const query = address.query();
  try {
    if (query !== loaded) {
      loaded = query;
      await grid.load(query);
      count(grid.total);
      tell("");
      tellWhere("");
      showFacets().catch((problem) => tell(problem.message));
    }
    await view.follow();
  } catch (problem) {
    if (problem.part === "where") tellWhere(problem.message);
    else tell(problem.message);
  }
}

// What is wrong with the text of the box `where`, beside it.
function tellWhere(text) {
  find("where-problem").textContent = text;
  find("where").ariaInvalid = String(text !== "");
  if (text && !find("where").checkVisibility()) tell(`where: ${text}`); // a narrow screen hides filters
}

function sortBy(name, falling) {
  address.set({ sort: name === "id" && !falling ? null : `${falling ? "-" : ""}${name}` });
}

function controls() {
  const isFalling = () => find("falling").ariaPressed === "true";
  find("order").append(...about.orders.map((name) => make("option", { value: name }, label(name))));
  find("order").addEventListener("change", () => sortBy(find("order").value, isFalling()));
  find("falling").addEventListener("click", () => sortBy(find("order").value, !isFalling()));
  find("search").addEventListener("input", later(200, () => address.set({ q: find("search").value.trim() })));
  find("where-field").hidden = !source.canSelect;
  find("where").addEventListener("input", later(400, () => address.set({ where: find("where").value.trim() })));
  find("where").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) event.preventDefault(); // it is read while it is typed
  });
  find("clear").addEventListener("click", () => {
    find("search").value = find("where").value = "";
    address.clear();
  });
  for (const radio of document.querySelectorAll("#behind input[type=radio]")) {
    radio.addEventListener("change", () => address.set({ behind: radio.value === "colour" ? backdrop.colour : radio.value }));
  }
  find("colour").addEventListener("input", () => address.set({ behind: find("colour").value }));
  find("photo").addEventListener("change", () => {
    const [file] = find("photo").files;
    if (!file) return;
    backdrop.setPicture(URL.createObjectURL(file));
    backdrop.loaded.catch(() => tell(`${file.name} is no picture that the browser can show`));
    view.seen = null;
    address.set({ behind: "place" });
  });
  find("alpha-only").addEventListener("change", () => address.set({ show: find("alpha-only").checked ? "alpha" : null }));
  find("filters-toggle").addEventListener("click", () => {
    const isOpen = document.body.classList.toggle("filters-open");
    find("filters-toggle").ariaExpanded = String(isOpen);
    if (!isOpen) grid.measure();
  });
  find("help-open").addEventListener("click", () => find("help").showModal());
  document.addEventListener("keydown", key);
}

async function markCurrent(mark) {
  const brief = await grid.at(grid.current);
  if (!brief || brief.rejected || !source.canMark) return;
  try {
    brief.mark = await source.mark(brief.id, { mark, note: mark ? brief.mark?.note : "" });
    grid.refresh();
    await showFacets();
  } catch (problem) {
    tell(problem.message);
  }
}

function key(event) {
  if (event.key === "Escape" && event.target.closest("#filters, .search") && !find("sample").open) find("grid").focus();
  if (isTyping(event) || find("sample").open || find("help").open) return;
  const marks = { g: "good", b: "bad", u: null };
  if (event.key === "/") find("search").focus();
  else if (event.key === "f" || event.key === "w") {
    if (!document.body.classList.contains("filters-open")) find("filters-toggle").click();
    (event.key === "w" ? find("where") : find("facets").querySelector("summary"))?.focus();
  } else if (event.key === "?") find("help").showModal();
  else if (event.key === "a") address.set({ show: address.get("show") === "alpha" ? null : "alpha" });
  else if (event.key === "x") {
    const next = KINDS[(KINDS.indexOf(backdrop.kind) + 1) % KINDS.length];
    address.set({ behind: next === "colour" ? backdrop.colour : next });
  } else if (event.key in marks) markCurrent(marks[event.key]);
  else return;
  event.preventDefault();
}

// Tell how far the metadata has been read until filters can be used.
async function watch() {
  while (!about.ready) {
    const share = Math.floor((100 * about.read) / Math.max(1, about.samples));
    tell(`reading metadata: ${share} %; filters and sorting follow`);
    await new Promise((done) => setTimeout(done, 400));
    about = await source.dataset();
  }
  const lost = about.unreadable ? `the metadata of ${about.unreadable} samples cannot be read` : "";
  tell(about.problem ?? lost);
}

async function start() {
  try {
    about = await source.dataset();
  } catch (problem) {
    tell(problem.message);
    return;
  }
  const name = about.name.startsWith("/") ? about.name.replace(/^.*\/(?=[^/]+\/*$)/, "") : about.name;
  find("name").textContent = name;
  find("name").title = about.name;
  document.title = `${name} – LD-Portrait viewer`;
  controls();
  backdrop.set(address.get("behind", "light"));
  address.listeners.push(follow);
  view.marked = () => showFacets().catch((problem) => tell(problem.message));
  watch().catch((problem) => tell(problem.message));
  await follow();
  if (!find("sample").open) find("grid").focus();
}

start();
