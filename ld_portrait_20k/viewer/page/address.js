// The state of the view, kept in the fragment of the address so that it can be sent to somebody.
// What filters is named as the server names it: `#age=adult&confidence=..0.8&q=curly&sort=-steps`.

const OWN = new Set(["q", "where", "sort", "behind", "show", "sample", "view", "left", "right"]);

export class Address {
  constructor() {
    this.listeners = [];
    this.read();
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.written) return;
      this.read();
      this.tell();
    });
  }

  read() {
    this.filters = [];
    this.own = {};
    this.written = location.hash.slice(1);
    for (const [name, value] of new URLSearchParams(this.written)) {
      if (OWN.has(name)) this.own[name] = value;
      else this.filters.push([name, value]);
    }
  }

  get(name, otherwise = "") {
    return this.own[name] ?? otherwise;
  }

  // Values of a text field that are picked.
  picked(name) {
    return this.filters.filter(([one]) => one === name).map(([, value]) => value);
  }

  set(changes, isStep = false) {
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") delete this.own[name];
      else this.own[name] = value;
    }
    this.write(isStep);
  }

  setFilter(name, values) {
    this.filters = this.filters.filter(([one]) => one !== name);
    for (const value of values) this.filters.push([name, value]);
    this.write(false);
  }

  clear() {
    this.filters = [];
    delete this.own.q;
    delete this.own.where;
    this.write(false);
  }

  // The part that the server or the static data answers.
  query() {
    const parts = [...this.filters];
    if (this.own.q) parts.push(["q", this.own.q]);
    if (this.own.where) parts.push(["where", this.own.where]);
    if (this.own.sort) parts.push(["sort", this.own.sort]);
    return new URLSearchParams(parts).toString();
  }

  write(isStep) {
    this.written = new URLSearchParams([...this.filters, ...Object.entries(this.own)]).toString();
    const hash = `#${this.written}`;
    if (isStep) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
