// Pixels of one sample: its foreground and mattes, and what is computed from them.

export class Layer {
  // foreground and alpha are RGBA bytes as a canvas gives them; both pictures are opaque, so
  // that the bytes are exactly those of the files.
  constructor(width, height, foreground, alpha) {
    Object.assign(this, { width, height, foreground, alpha });
  }

  static async load(foregroundUrl, alphaUrl) {
    const [foreground, alpha] = await Promise.all([read(foregroundUrl), read(alphaUrl)]);
    if (foreground.width !== alpha.width || foreground.height !== alpha.height) {
      throw new Error("foreground and alpha differ in size");
    }
    return new Layer(alpha.width, alpha.height, foreground.data, alpha.data);
  }

  at(x, y) {
    const place = 4 * (y * this.width + x);
    return { colour: [...this.foreground.slice(place, place + 3)], alpha: this.alpha[place] };
  }
}

async function read(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Error("the picture cannot be shown; it may be damaged");
  }
  const canvas = new OffscreenCanvas(image.width, image.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, image.width, image.height);
}

export function composite(layer, behind) {
  const out = new ImageData(layer.width, layer.height);
  const { foreground, alpha } = layer;
  for (let i = 0; i < out.data.length; i += 4) {
    const a = alpha[i];
    for (let c = 0; c < 3; c += 1) {
      out.data[i + c] = (foreground[i + c] * a + behind[i + c] * (255 - a)) / 255; // the array rounds
    }
    out.data[i + 3] = 255;
  }
  return out;
}

export function matte(layer) {
  return new ImageData(new Uint8ClampedArray(layer.alpha), layer.width, layer.height);
}

// Definite regions shrink by a square of `radius` pixels; every soft pixel is unknown.
export function trimap(layer, radius) {
  const { width, height, alpha } = layer;
  const notOpaque = new Uint8Array(width * height);
  const notClear = new Uint8Array(width * height);
  for (let i = 0; i < notOpaque.length; i += 1) {
    notOpaque[i] = alpha[4 * i] < 255 ? 1 : 0;
    notClear[i] = alpha[4 * i] > 0 ? 1 : 0;
  }
  const nearOpaqueEnd = grown(notOpaque, width, height, radius);
  const nearClearEnd = grown(notClear, width, height, radius);
  const out = new ImageData(width, height);
  for (let i = 0; i < notOpaque.length; i += 1) {
    const value = !nearOpaqueEnd[i] ? 255 : !nearClearEnd[i] ? 0 : 128;
    out.data.set([value, value, value, 255], 4 * i);
  }
  return out;
}

function grown(mask, width, height, radius) {
  const across = slid(mask, height, width, width, 1, radius);
  return slid(across, width, height, 1, width, radius);
}

// Where any of the 2 * radius + 1 neighbours along lines of `length` is set.
function slid(mask, lines, length, lineStep, step, radius) {
  const out = new Uint8Array(mask.length);
  for (let line = 0; line < lines; line += 1) {
    const start = line * lineStep;
    let inside = 0;
    for (let ahead = 0; ahead < Math.min(radius, length); ahead += 1) inside += mask[start + ahead * step];
    for (let place = 0; place < length; place += 1) {
      if (place + radius < length) inside += mask[start + (place + radius) * step];
      if (place - radius > 0) inside -= mask[start + (place - radius - 1) * step];
      out[start + place * step] = inside > 0 ? 1 : 0;
    }
  }
  return out;
}

// Red where the left matte is more opaque, blue where the right one is.
export function difference(left, right, gain) {
  if (left.width !== right.width || left.height !== right.height) {
    throw new Error("the mattes differ in size");
  }
  const out = new ImageData(left.width, left.height);
  for (let i = 0; i < out.data.length; i += 4) {
    const more = (left.alpha[i] - right.alpha[i]) * gain;
    out.data[i] = more > 0 ? more : -more / 3;
    out.data[i + 1] = Math.abs(more) / 3;
    out.data[i + 2] = more < 0 ? -more : more / 3;
    out.data[i + 3] = 255;
  }
  return out;
}
