// Samples as the local server gives them.

export class ServerSource {
  canMark = true;
  canSelect = true; // answers a text in the grammar of selections

  async dataset() {
    this.about = await ask("api/dataset");
    this.canMark = this.about.marks !== null;
    return this.about;
  }

  page(query, start, count) {
    return ask(`api/samples?${query}&start=${start}&count=${count}`);
  }

  facets(query) {
    return ask(`api/facets?${query}`);
  }

  async place(query, id) {
    return (await ask(`api/place?${query}&id=${encodeURIComponent(id)}`)).place;
  }

  sample(id) {
    return ask(`api/sample/${encodeURIComponent(id)}`);
  }

  async mark(id, mark) {
    const body = JSON.stringify({ id, ...mark });
    const headers = { "Content-Type": "application/json" };
    return (await ask("api/marks", { method: "POST", headers, body })).mark;
  }

  // What to put into a cell: an image that may fail, or null where there is no picture.
  thumbnail(brief) {
    if (!brief.subset) return null;
    const image = new Image();
    image.alt = "";
    image.decoding = "async";
    image.src = `api/thumb/${this.about.identity}/${brief.subset}/${brief.id.split(".")[0]}`;
    return image;
  }

  async picture(sample, subset, member) {
    return `api/picture/${this.about.identity}/${subset}/${sample.picture}/${member}`;
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the viewer does not answer; is the command still running?");
  }
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error), { part: body.part });
  return body;
}
