// What lies behind the samples, in the grid (by CSS) and in the canvas.

import { find } from "./dom.js";

export const KINDS = ["light", "dark", "checker", "place", "colour"];
const COLOURS = { light: [242, 242, 240], dark: [36, 39, 43] };

// A blurred place, drawn for this page: evening light through a window, a lamp, a dark floor.
const PLACE = `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="600" viewBox="0 0 600 600">
<filter id="b" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="22"/></filter>
<linearGradient id="w" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#7d8f86"/>
<stop offset=".6" stop-color="#b79a78"/><stop offset="1" stop-color="#4a3b33"/></linearGradient>
<rect width="600" height="600" fill="url(#w)"/><g filter="url(#b)">
<rect x="60" y="30" width="190" height="330" fill="#e9e6d2"/><rect x="150" y="20" width="16" height="360" fill="#71624f"/>
<rect y="470" width="600" height="160" fill="#3a2f2a"/><circle cx="470" cy="170" r="58" fill="#ffd79a"/>
<circle cx="540" cy="330" r="34" fill="#c9694a"/><circle cx="400" cy="390" r="46" fill="#5f7d62"/>
<circle cx="330" cy="90" r="26" fill="#f5b86a"/><rect x="430" y="250" width="30" height="240" fill="#6b4f3c"/></g></svg>`;

export class Backdrop {
  constructor() {
    this.kind = "light";
    this.colour = "#2f6fb0";
    this.setPicture(`data:image/svg+xml,${encodeURIComponent(PLACE)}`);
  }

  setPicture(url) {
    this.image = new Image();
    this.image.src = url;
    this.loaded = this.image.decode();
    document.documentElement.style.setProperty("--behind-picture", `url("${url}")`);
  }

  // `text` is a kind, or a colour such as #2f6fb0.
  set(text) {
    if (/^#[0-9a-f]{6}$/i.test(text)) {
      this.kind = "colour";
      this.colour = text;
    } else {
      this.kind = KINDS.includes(text) ? text : "light";
    }
    document.documentElement.style.setProperty("--behind", this.colour);
    for (const kind of KINDS) document.body.classList.toggle(`behind-${kind}`, kind === this.kind);
    find("colour").value = this.colour;
    for (const radio of document.querySelectorAll("#behind input[type=radio]")) {
      radio.checked = radio.value === this.kind;
    }
  }

  get text() {
    return this.kind === "colour" ? this.colour : this.kind;
  }

  // RGBA bytes of a background of a size.
  async pixels(width, height) {
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (this.kind === "place") {
      await this.loaded;
      const { width: w, height: h } = this.image;
      const scale = Math.max(width / w, height / h);
      const left = (width - w * scale) / 2;
      pen.drawImage(this.image, left, (height - h * scale) / 2, w * scale, h * scale);
    } else if (this.kind === "checker") {
      const side = 16;
      for (let y = 0; y < height; y += side) {
        for (let x = 0; x < width; x += side) {
          pen.fillStyle = ((x + y) / side) % 2 ? "#ebebeb" : "#bebebe";
          pen.fillRect(x, y, side, side);
        }
      }
    } else {
      const known = COLOURS[this.kind];
      pen.fillStyle = known ? `rgb(${known.join(",")})` : this.colour;
      pen.fillRect(0, 0, width, height);
    }
    return pen.getImageData(0, 0, width, height).data;
  }
}
