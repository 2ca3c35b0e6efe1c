// The grid of all samples that match, of which only those in sight are in the document.

import { figure, find, make } from "./dom.js";

const CELL = 168; // least width of a cell in pixels
const CAPTION = 30; // caption and padding
const SPARE = 2; // rows above and below that are kept ready
const PAGE = 100; // samples asked for at once
const FAST = 4; // pixels a millisecond from which on pictures wait until scrolling slows down
const SETTLED = 60; // milliseconds without scrolling after which it counts as ended

export class Grid {
  constructor(source, actions) {
    this.source = source;
    this.actions = actions;
    this.element = find("grid");
    this.spacer = make("div", { className: "spacer", role: "presentation" });
    this.element.append(this.spacer);
    this.cells = new Map(); // place -> element
    this.total = 0;
    this.current = 0;
    this.generation = 0;
    this.pages = new Map();
    this.query = "";
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.select(Number(cell.dataset.place), true);
    });
    new ResizeObserver(() => this.measure()).observe(this.element);
  }

  // Show the samples of another query from the top on.
  async load(query) {
    const generation = (this.generation += 1);
    this.query = query;
    const page = await this.source.page(query, 0, PAGE);
    if (generation !== this.generation) return;
    this.pages = new Map([[0, page.samples]]);
    this.total = page.total;
    this.current = 0;
    this.element.scrollTop = 0;
    find("empty").hidden = this.total > 0;
    this.empty();
    this.measure();
  }

  // Draw the cells anew, such as after a change of marks.
  refresh() {
    this.empty();
    this.render();
  }

  empty() {
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
  }

  measure() {
    const width = this.element.clientWidth;
    if (!width) return;
    const columns = Math.max(2, Math.floor(width / CELL));
    this.side = width / columns;
    this.height = this.side + CAPTION - 8;
    if (columns !== this.columns) this.empty();
    this.columns = columns;
    this.spacer.style.height = `${Math.ceil(this.total / columns) * this.height}px`;
    for (const [place, cell] of this.cells) this.put(cell, place);
    this.reveal(this.current, false);
    this.render();
  }

  scrolled() {
    clearTimeout(this.timer);
    const [now, top] = [performance.now(), this.element.scrollTop];
    const speed = Math.abs(top - (this.lastTop ?? 0)) / Math.max(1, now - (this.lastTime ?? 0));
    Object.assign(this, { lastTime: now, lastTop: top, moving: speed > FAST });
    this.timer = setTimeout(() => {
      this.moving = false;
      this.render();
    }, SETTLED);
    if (!this.waiting) {
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        this.render();
      });
    }
  }

  render() {
    if (!this.columns) return;
    const top = Math.floor(this.element.scrollTop / this.height) - SPARE;
    const rows = Math.ceil(this.element.clientHeight / this.height) + 2 * SPARE;
    const first = Math.max(0, top * this.columns);
    const stop = Math.min(this.total, (top + rows + 1) * this.columns);
    for (const [place, cell] of this.cells) {
      if (place < first || place >= stop) {
        cell.remove();
        this.cells.delete(place);
      }
    }
    for (let place = first; place < stop; place += 1) this.draw(place);
    this.mark();
  }

  draw(place) {
    let cell = this.cells.get(place);
    if (!cell) {
      cell = make("div", { className: "cell", role: "option", id: `cell-${place}` });
      cell.dataset.place = place;
      cell.ariaPosInSet = place + 1;
      cell.ariaSetSize = this.total;
      this.put(cell, place);
      this.cells.set(place, cell);
      this.spacer.append(cell);
    }
    if (cell.filled || this.moving) return;
    const brief = this.known(place);
    if (brief) {
      cell.filled = true;
      cell.replaceChildren(...this.inside(brief));
      cell.ariaLabel = description(brief);
    } else {
      this.fetch(Math.floor(place / PAGE));
    }
  }

  put(cell, place) {
    const row = Math.floor(place / this.columns);
    cell.style.width = `${this.side}px`;
    cell.style.height = `${this.height}px`;
    cell.style.transform = `translate(${(place % this.columns) * this.side}px, ${row * this.height}px)`;
  }

  inside(brief) {
    const picture = make("div", { className: "picture" });
    const shown = this.source.thumbnail(brief);
    if (shown) {
      const frame = make("div", { className: "frame backed" }, shown);
      shown.addEventListener("error", () => {
        picture.replaceChildren(make("span", { className: "why" }, "the picture is damaged or cannot be read"));
      });
      picture.append(frame);
    } else {
      picture.append(make("span", { className: "why" }, `rejected: ${brief.rejected}`));
    }
    const caption = make("div", { className: "caption" }, make("span", { className: "id" }, brief.id));
    if (brief.value !== undefined) {
      caption.append(" ", make("span", { className: "figure" }, figure(brief.value)));
    }
    const mark = brief.mark?.mark ?? (brief.mark ? "note" : null);
    if (mark) caption.append(" ", make("span", { className: mark }, mark));
    return [picture, caption];
  }

  known(place) {
    return this.pages.get(Math.floor(place / PAGE))?.[place % PAGE];
  }

  async fetch(number) {
    if (this.pages.has(number)) return;
    this.pages.set(number, undefined);
    const generation = this.generation;
    try {
      const page = await this.source.page(this.query, number * PAGE, PAGE);
      if (generation !== this.generation) return;
      this.pages.set(number, page.samples);
      this.render();
    } catch (problem) {
      this.pages.delete(number);
      this.actions.tell(problem.message);
    }
  }

  // The sample at a place of the order, fetched if need be.
  async at(place) {
    if (place < 0 || place >= this.total) return null;
    if (!this.known(place)) {
      const number = Math.floor(place / PAGE);
      const page = await this.source.page(this.query, number * PAGE, PAGE);
      this.pages.set(number, page.samples);
    }
    return this.known(place);
  }

  select(place, open = false) {
    this.current = Math.max(0, Math.min(place, this.total - 1));
    this.reveal(this.current, true);
    this.render();
    if (open && this.known(this.current)) this.actions.open(this.known(this.current).id, this.current);
  }

  mark() {
    for (const [place, cell] of this.cells) cell.ariaSelected = String(place === this.current);
    const id = `cell-${this.current}`;
    if (this.cells.has(this.current)) this.element.setAttribute("aria-activedescendant", id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  reveal(place, always) {
    const top = Math.floor(place / this.columns) * this.height;
    const { scrollTop, clientHeight } = this.element;
    if (!always && place === 0) return;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.element.scrollTop = top + this.height - clientHeight;
  }

  key(event) {
    const screen = this.columns * Math.max(1, Math.floor(this.element.clientHeight / this.height));
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns,
      PageUp: -screen, PageDown: screen, Home: -this.total, End: this.total,
    };
    if (event.key in steps) {
      const wanted = this.current + steps[event.key];
      if (!event.key.startsWith("Arrow") || (wanted >= 0 && wanted < this.total)) this.select(wanted);
    } else if (event.key === "Enter" || event.key === " ") {
      this.select(this.current, true);
    } else {
      return;
    }
    event.preventDefault();
  }
}

// As it is seen, and in the same order.
function description(brief) {
  const parts = brief.subset ? [brief.id] : [`rejected: ${brief.rejected}`, brief.id];
  if (brief.rejected && brief.subset) parts.push(`rejected: ${brief.rejected}`);
  if (brief.value !== undefined) parts.push(figure(brief.value));
  if (brief.mark) parts.push(brief.mark.mark ?? "note");
  return parts.join(", ");
}
