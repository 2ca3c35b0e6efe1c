// One sample: its pictures, marks, facts, and the way to its neighbours.

import { find, isTyping, make } from "./dom.js";
import { showFacts } from "./facts.js";
import { Layer, composite, difference, matte, trimap } from "./layers.js";
import { Stage, ZOOMS } from "./stage.js";

const SHOWN = { c: "composite", a: "alpha", t: "trimap", d: "difference" };
const NAMES = { default: "refined", raw: "raw", truth: "truth" };

export class SampleView {
  constructor(source, grid, address, backdrop) {
    Object.assign(this, { source, grid, address, backdrop });
    this.dialog = find("sample");
    this.stage = new Stage((column, row) => this.read(column, row));
    this.layers = new Map();
    this.turn = 0;
    this.wanted = null; // id of the sample that is shown, or on its way
    this.controls();
  }

  controls() {
    for (const zoom of ZOOMS) {
      const button = make("button", { type: "button" }, zoom ? `${zoom}×` : "fit");
      button.dataset.zoom = zoom;
      button.addEventListener("click", () => this.stage.setZoom(zoom));
      find("zooms").append(button);
    }
    this.stage.zoomed = (zoom) => {
      for (const button of find("zooms").children) button.ariaPressed = String(Number(button.dataset.zoom) === zoom);
    };
    this.stage.zoomed(0);
    this.stage.slid = (share) => (find("split").value = 1000 * share);
    for (const id of ["gain", "radius"]) find(id).addEventListener("change", () => this.paint());
    find("show").addEventListener("change", () => this.address.set({ view: find("show").value }));
    for (const id of ["left", "right"]) {
      find(id).addEventListener("change", () => this.address.set({ [id]: find(id).value }));
    }
    find("split").addEventListener("input", () => this.stage.setSplit(find("split").value / 1000));
    find("previous").addEventListener("click", () => this.step(-1));
    find("next").addEventListener("click", () => this.step(1));
    find("close").addEventListener("click", () => this.dialog.close());
    for (const mark of ["good", "bad"]) {
      find(`mark-${mark}`).addEventListener("click", () => {
        this.mark({ mark: this.sample?.mark?.mark === mark ? null : mark, note: find("note").value });
      });
    }
    find("note").addEventListener("change", () => this.mark({ mark: this.sample?.mark?.mark, note: find("note").value }));
    this.dialog.addEventListener("close", () => {
      this.wanted = null;
      this.address.set({ sample: null });
    });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
  }

  // Show what the address says; called at each change of it.
  async follow() {
    const id = this.address.get("sample");
    if (!id) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (id !== this.wanted) await this.open(id);
    else if (this.seen !== this.look()) await this.paint();
    if (this.address.get("sample") !== id) return; // it was left meanwhile
    if (!this.dialog.open) {
      this.dialog.showModal();
      find("stage").focus();
    }
    this.stage.draw();
  }

  look() {
    const { address, backdrop } = this;
    return [address.get("view"), address.get("left"), address.get("right"), backdrop.text].join(" ");
  }

  async open(id) {
    const turn = (this.turn += 1);
    this.wanted = id;
    this.tell(this.source.note ?? "");
    find("sample-id").textContent = id;
    try {
      const sample = await this.source.sample(id);
      if (turn !== this.turn) return;
      this.sample = sample;
      this.layers = new Map();
      const place = await this.findPlace(id);
      if (turn !== this.turn) return;
      this.place = place;
      this.showState();
      showFacts(sample);
      this.offer(sample.subsets);
      await this.paint();
    } catch (problem) {
      if (turn !== this.turn) return;
      this.sample = { id };
      this.stage.clear();
      find("facts").replaceChildren();
      const place = await this.findPlace(id).catch(() => null);
      if (turn !== this.turn) return;
      this.place = place;
      this.showState();
      this.tell(problem.message);
    }
  }

  async findPlace(id) {
    const guess = await this.grid.at(this.guess ?? -1);
    if (guess?.id === id) return this.guess;
    return this.source.place(this.address.query(), id);
  }

  showState() {
    const { place, sample } = this;
    find("sample-place").textContent =
      place === null ? "not among those that match" : `${place + 1} of ${this.grid.total.toLocaleString("en")}`;
    find("previous").disabled = place === null || place === 0;
    find("next").disabled = place === null || place + 1 >= this.grid.total;
    find("marks").hidden = !this.source.canMark || Boolean(sample.rejected);
    for (const mark of ["good", "bad"]) find(`mark-${mark}`).ariaPressed = String(sample.mark?.mark === mark);
    find("note").value = sample.mark?.note ?? "";
  }

  // Two pictures can be compared where there are two subsets.
  offer(subsets) {
    const sorted = ["raw", "default", "truth"].filter((name) => subsets.includes(name));
    for (const [id, otherwise] of [["left", sorted[0]], ["right", sorted[1] ?? sorted[0]]]) {
      const options = sorted.map((name) => make("option", { value: name }, NAMES[name]));
      find(id).replaceChildren(...options);
      const wanted = this.address.get(id);
      find(id).value = sorted.includes(wanted) ? wanted : otherwise ?? "";
    }
    for (const field of document.querySelectorAll(".compare")) field.hidden = sorted.length < 2;
  }

  async layer(subset) {
    if (!this.layers.has(subset)) {
      const { sample, source } = this;
      const urls = ["foreground", "alpha"].map((member) => source.picture(sample, subset, member));
      this.layers.set(subset, Layer.load(...(await Promise.all(urls))));
    }
    return this.layers.get(subset);
  }

  async paint() {
    const turn = this.turn;
    this.seen = this.look();
    if (!this.sample?.subsets?.length) {
      this.stage.clear();
      return;
    }
    const view = Object.values(SHOWN).includes(this.address.get("view")) ? this.address.get("view") : "composite";
    this.offer(this.sample.subsets);
    const sides = [find("left").value, find("right").value];
    const two = sides[0] !== sides[1];
    find("show").value = view;
    find("gain-field").hidden = find("legend").hidden = view !== "difference";
    find("radius-field").hidden = view !== "trimap";
    find("split-field").hidden = view === "difference" || !two;
    find("split-label").textContent = `Slider: ${NAMES[sides[0]]} | ${NAMES[sides[1]]}`;
    try {
      const layers = await Promise.all(sides.map((subset) => this.layer(subset)));
      const pictures = await this.pictures(view, layers);
      if (turn !== this.turn) return;
      this.stage.canvas.ariaLabel = `${view} of ${this.sample.id}`;
      await this.stage.show(two || view === "difference" ? pictures : pictures.slice(0, 1));
      this.shown = new Map(await Promise.all([...this.layers].map(async ([name, one]) => [name, await one])));
      this.read(this.stage.column, this.stage.row);
    } catch (problem) {
      if (turn !== this.turn) return;
      this.stage.clear();
      this.tell(problem.message);
    }
  }

  async pictures(view, layers) {
    if (view === "difference") return [difference(...layers, Number(find("gain").value))];
    if (view === "alpha") return layers.map(matte);
    if (view === "trimap") return layers.map((one) => trimap(one, Number(find("radius").value)));
    const behind = await this.backdrop.pixels(layers[0].width, layers[0].height);
    return layers.map((one) => composite(one, behind));
  }

  read(column, row) {
    if (!this.shown?.size) return;
    const parts = [`column ${column}, row ${row}`];
    for (const [subset, layer] of this.shown) {
      const { colour, alpha } = layer.at(column, row);
      parts.push(`${NAMES[subset]}: colour ${colour.join(" ")}, alpha ${alpha}`);
    }
    find("readout").textContent = parts.join(" · ");
  }

  async step(direction) {
    if (this.place === null || this.place === undefined) return;
    const place = this.place + direction;
    if (place < 0 || place >= this.grid.total) return;
    this.place = place; // at once: the next key may come before the sample does
    const brief = await this.grid.at(place);
    if (!brief || this.place !== place) return;
    this.guess = place;
    this.grid.select(place);
    this.address.set({ sample: brief.id });
  }

  async mark(mark) {
    if (!this.source.canMark || !this.sample?.subsets || this.sample.rejected) return;
    const { sample, place } = this;
    try {
      sample.mark = await this.source.mark(sample.id, mark);
      const brief = place === null ? null : await this.grid.at(place);
      if (brief?.id === sample.id) brief.mark = sample.mark;
      this.tell(sample.mark ? "saved" : "mark removed");
      this.grid.refresh();
      this.marked?.();
    } catch (problem) {
      this.tell(problem.message);
    }
    if (sample === this.sample) this.showState();
  }

  tell(text) {
    find("sample-notice").textContent = text;
  }

  key(event) {
    if (isTyping(event)) return;
    const slide = (by) => {
      find("split").value = Number(find("split").value) + by;
      this.stage.setSplit(find("split").value / 1000);
    };
    const { key } = event;
    const note = find("note").value;
    if (key === "j") this.step(1);
    else if (key === "k") this.step(-1);
    else if (key === "g" || key === "b") this.mark({ mark: key === "g" ? "good" : "bad", note });
    else if (key === "u") this.mark({ mark: null, note: "" });
    else if (key === "n") find("note").focus();
    else if (key in SHOWN) this.address.set({ view: SHOWN[key] });
    else if (key === "+" || key === "=") this.stage.step(1);
    else if (key === "-") this.stage.step(-1);
    else if (key === "0" || key === "1") this.stage.setZoom(Number(key));
    else if (key === "[" || key === "]") slide(key === "[" ? -50 : 50);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
