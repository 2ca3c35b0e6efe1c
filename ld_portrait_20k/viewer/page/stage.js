// The canvas that shows one sample: zoom, pan, the slider between two pictures, pixel values.

import { find } from "./dom.js";

export const ZOOMS = [0, 1, 2, 4, 8]; // 0 fits the picture into the stage
const GRIP = 10; // pixels of the page beside the line of the slider that take hold of it

export class Stage {
  constructor(point) {
    this.canvas = find("stage");
    this.pen = this.canvas.getContext("2d");
    this.point = point; // called with column and row of a pixel
    this.zoom = 0;
    this.split = 0.5;
    this.pictures = [];
    this.zoomed = () => {};
    this.slid = () => {}; // called with the share at which the line was put
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // One or two ImageData of equal size; of two, the first is left of the slider.
  async show(pictures) {
    const bitmaps = await Promise.all(pictures.map((picture) => createImageBitmap(picture)));
    const [{ width, height }] = bitmaps;
    if (width !== this.width || height !== this.height) {
      Object.assign(this, { width, height, column: width >> 1, row: height >> 1 });
      this.centre = [width / 2, height / 2];
    }
    for (const old of this.pictures) old.close();
    this.pictures = bitmaps;
    this.draw();
  }

  clear() {
    for (const old of this.pictures) old.close();
    this.pictures = [];
    this.draw();
  }

  setZoom(zoom, around = [this.column, this.row]) {
    if (zoom && !this.zoom) this.centre = [...around];
    this.zoom = zoom;
    this.draw();
    this.zoomed(zoom);
  }

  setSplit(share) {
    this.split = share;
    this.draw();
  }

  // One pixel of the picture is so many of the screen's own pixels.
  get scale() {
    if (this.zoom) return this.zoom;
    const fit = Math.min(this.canvas.width / this.width, this.canvas.height / this.height);
    return Math.max(0.01, Math.min(fit, 8));
  }

  get origin() {
    const place = (side, length, centre) => {
      const extent = length * this.scale;
      if (extent <= side) return Math.round((side - extent) / 2);
      return Math.round(Math.min(0, Math.max(side - extent, side / 2 - centre * this.scale)));
    };
    const { width, height } = this.canvas;
    return [place(width, this.width, this.centre[0]), place(height, this.height, this.centre[1])];
  }

  draw() {
    const { canvas, pen } = this;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (!this.pictures.length) return;
    const [left, top] = this.origin;
    const { scale } = this;
    const [width, height] = [this.width * scale, this.height * scale];
    pen.imageSmoothingEnabled = scale < 1;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.pictures.at(-1), left, top, width, height);
    if (this.pictures.length > 1) this.drawLeft(left, top, width, height);
    this.drawCross(left, top, scale);
  }

  // Where the line of the slider is, in pixels of the canvas.
  get edge() {
    return Math.round(this.origin[0] + this.width * this.scale * this.split);
  }

  drawLeft(left, top, width, height) {
    const { edge, pen } = this;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, edge - left, height);
    pen.clip();
    pen.drawImage(this.pictures[0], left, top, width, height);
    pen.restore();
    pen.fillStyle = "#fff";
    pen.fillRect(edge - 1, top, 2, height);
    pen.fillStyle = "#000";
    pen.fillRect(edge + 1, top, 1, height);
  }

  drawCross(left, top, scale) {
    if (document.activeElement !== this.canvas) return;
    const side = Math.max(5, scale);
    const x = left + (this.column + 0.5) * scale - side / 2;
    const y = top + (this.row + 0.5) * scale - side / 2;
    this.pen.strokeStyle = "#000";
    this.pen.strokeRect(x - 1.5, y - 1.5, side + 3, side + 3);
    this.pen.strokeStyle = "#fff";
    this.pen.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
  }

  // Column and row under a pointer; null beside the picture.
  pixel(event) {
    if (!this.pictures.length) return null;
    const ratio = devicePixelRatio || 1;
    const [left, top] = this.origin;
    const column = Math.floor((event.offsetX * ratio - left) / this.scale);
    const row = Math.floor((event.offsetY * ratio - top) / this.scale);
    return column >= 0 && row >= 0 && column < this.width && row < this.height ? [column, row] : null;
  }

  go(column, row, follow) {
    this.column = Math.max(0, Math.min(this.width - 1, column));
    this.row = Math.max(0, Math.min(this.height - 1, row));
    if (follow) this.centre = [this.column + 0.5, this.row + 0.5];
    this.draw();
    this.point(this.column, this.row);
  }

  listen() {
    const { canvas } = this;
    let from = null;
    let slides = false;
    const isAtLine = (event) => {
      const ratio = devicePixelRatio || 1;
      return this.pictures.length > 1 && Math.abs(event.offsetX * ratio - this.edge) <= GRIP * ratio;
    };
    const slide = (event) => {
      const across = event.offsetX * (devicePixelRatio || 1) - this.origin[0];
      this.setSplit(Math.max(0, Math.min(1, across / (this.width * this.scale))));
      this.slid(this.split);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      slides = isAtLine(event);
      if (slides) return;
      from = [event.offsetX, event.offsetY, ...(this.centre ?? [0, 0])];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (slides && event.buttons) {
        slide(event);
        return;
      }
      canvas.classList.toggle("at-line", isAtLine(event));
      if (from && event.buttons) {
        const ratio = (devicePixelRatio || 1) / this.scale;
        this.centre = [from[2] - (event.offsetX - from[0]) * ratio, from[3] - (event.offsetY - from[1]) * ratio];
        this.draw();
        return;
      }
      const found = this.pixel(event);
      if (found) this.go(...found, false);
    });
    canvas.addEventListener("pointerup", () => {
      from = null;
      slides = false;
    });
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.draw());
    canvas.addEventListener("dblclick", (event) => {
      this.setZoom(this.zoom === 8 ? 0 : 8, this.pixel(event) ?? undefined);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.step(event.deltaY < 0 ? 1 : -1, this.pixel(event) ?? undefined);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (!(event.key in steps) || !this.pictures.length) return;
      const far = event.shiftKey ? 10 : 1;
      const [across, down] = steps[event.key];
      this.go(this.column + far * across, this.row + far * down, true);
      event.preventDefault();
    });
  }

  step(direction, around) {
    const place = ZOOMS.indexOf(this.zoom) + direction;
    if (place >= 0 && place < ZOOMS.length) this.setZoom(ZOOMS[place], around);
  }
}
