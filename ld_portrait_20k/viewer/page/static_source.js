// Samples of a static copy: data that scripts assigned, because pages from disk cannot fetch.
// Answers as the server does.

export class StaticSource {
  canMark = false;
  canSelect = false;

  constructor(data) {
    this.data = data;
    this.note = data.note;
    this.rows = data.pages.flat();
    this.places = new Map(this.rows.map((row, place) => [row.id, place]));
    this.known = new Map();
  }

  async dataset() {
    return this.data.about;
  }

  async page(query, start, count) {
    const found = this.order(query);
    const { order } = read(query);
    const samples = found.slice(start, start + count).map((row) => {
      const brief = { id: row.id, split: row.texts.split, subset: this.data.about.subset };
      if (row.mark) brief.mark = row.mark;
      if (order !== "id") brief.value = value(row, order) ?? null;
      return brief;
    });
    return { total: found.length, start, samples };
  }

  async facets(query) {
    const parsed = read(query);
    const texts = this.data.texts.map((name) => {
      const values = new Map([...new Set(this.rows.map((row) => row.texts[name] ?? ""))].map((one) => [one, 0]));
      for (const row of this.rows) {
        if (matches(row, parsed, name)) values.set(row.texts[name] ?? "", values.get(row.texts[name] ?? "") + 1);
      }
      const sorted = [...values].sort(([a], [b]) => (a === "") - (b === "") || compare(a, b));
      return { name, values: sorted.map(([one, count]) => ({ value: one, count })) };
    });
    const numbers = this.data.numbers.map((name) => this.histogram(name, parsed));
    return { total: this.order(query).length, texts, numbers };
  }

  histogram(name, parsed) {
    const figures = this.rows.map((row) => row.numbers[name]).filter((one) => one !== null);
    const [low, high] = [Math.min(...figures), Math.max(...figures)];
    const bars = new Array(this.data.bins).fill(0);
    for (const row of this.rows) {
      const figure = row.numbers[name];
      if (figure === null || !matches(row, parsed, name)) continue;
      bars[Math.min(bars.length - 1, Math.floor(((figure - low) / (high - low)) * bars.length))] += 1;
    }
    return { name, low, high, bars };
  }

  async place(query, id) {
    const place = this.order(query).findIndex((row) => row.id === id);
    return place < 0 ? null : place;
  }

  order(query) {
    if (this.lastQuery === query) return this.lastOrder;
    const parsed = read(query);
    const { order, falling } = parsed;
    const sign = falling ? -1 : 1;
    const found = this.rows.filter((row) => matches(row, parsed, null));
    found.sort((a, b) => {
      const [one, other] = [value(a, order), value(b, order)];
      const absent = (one ?? "") === "" ? 1 : 0;
      const otherAbsent = (other ?? "") === "" ? 1 : 0;
      return absent - otherAbsent || (absent ? 0 : sign * compare(one, other)) || compare(a.id, b.id);
    });
    this.lastQuery = query;
    this.lastOrder = found;
    return found;
  }

  async sample(id) {
    if (!this.places.has(id)) throw new Error(`${id} is not among the samples of this copy`);
    if (!this.known.has(id)) {
      await load(`data/${id}.js`);
      this.known.set(id, this.data.samples[id]);
      delete this.data.samples[id];
    }
    return this.known.get(id);
  }

  async picture(sample, subset, member) {
    return sample.pictures[`${subset} ${member}`] ?? sample.pictures[`${this.data.about.subset} ${member}`];
  }

  thumbnail(brief) {
    const place = this.places.get(brief.id);
    const { side, columns, perSheet } = this.data.sheets;
    const [sheet, at] = [Math.floor(place / perSheet), place % perSheet];
    const { width, height } = this.rows[place];
    const outer = document.createElement("span");
    outer.className = "sprite";
    // The sheet as a background, scaled so that the sprite fills the element at any size.
    const across = (at % columns) * side;
    const down = Math.floor(at / columns) * side;
    const rows = Math.ceil(Math.min(perSheet, this.rows.length - sheet * perSheet) / columns);
    outer.style[width >= height ? "width" : "height"] = "100%";
    outer.style.aspectRatio = `${width} / ${height}`;
    outer.style.backgroundImage = `url("sheets/${String(sheet).padStart(3, "0")}.webp")`;
    outer.style.backgroundSize = `${(100 * columns * side) / width}% ${(100 * rows * side) / height}%`;
    const share = (offset, whole, own) => (whole === own ? 0 : (100 * offset) / (whole - own));
    outer.style.backgroundPosition = `${share(across, columns * side, width)}% ${share(down, rows * side, height)}%`;
    return outer;
  }
}

function read(query) {
  const parsed = { picked: new Map(), words: [], order: "id", falling: false };
  for (const [name, text] of new URLSearchParams(query)) {
    if (name === "where") throw new Error("`where` is answered by `ld-portrait view` alone, not by this copy");
    if (name === "q") parsed.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    else if (name === "sort") {
      parsed.falling = text.startsWith("-");
      parsed.order = text.replace(/^-/, "");
    } else parsed.picked.set(name, [...(parsed.picked.get(name) ?? []), text]);
  }
  return parsed;
}

function value(row, name) {
  if (name === "id") return row.id;
  if (name === "prompt") return row.prompt;
  return name in row.numbers ? row.numbers[name] : row.texts[name];
}

function matches(row, parsed, except) {
  for (const [name, picked] of parsed.picked) {
    if (name === except) continue;
    if (name in row.numbers) {
      const [low, high] = picked.at(-1).split("..");
      const figure = row.numbers[name];
      if (figure === null || (low && figure < Number(low)) || (high && figure > Number(high))) return false;
    } else if (!picked.includes(row.texts[name] ?? "")) return false;
  }
  const text = (row.prompt ?? "").toLowerCase();
  return parsed.words.every((word) => text.includes(word) || row.id === word);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function load(path) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = path;
    script.onload = () => done(script.remove());
    script.onerror = () => failed(new Error(`${path} is missing from this copy`));
    document.head.append(script);
  });
}
