// Pictures that came from the lab, and how a region of them is drawn: plain, as one half of a wipe, as a difference.

const MOST_PICTURE_BYTES = 256 * 2 ** 20;

class PictureShelf {
  constructor() {
    this.kept = new Map(); // "key index" -> {bitmap, luma}
    this.asked = new Set();
    this.bytes = 0;
  }

  static name(key, index) {
    return `${key} ${index}`;
  }

  get(key, index) {
    return this.kept.get(PictureShelf.name(key, index));
  }

  async put(key, index, width, buffers) {
    const [png, luma] = buffers.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }));
    this.kept.set(PictureShelf.name(key, index), { bitmap, luma, width });
    this.bytes += 5 * luma.length;
    for (const [name, oldest] of this.kept) {
      if (this.bytes <= MOST_PICTURE_BYTES) break;
      this.kept.delete(name);
      this.bytes -= 5 * oldest.luma.length;
    }
  }
}

// dark to light through blue, violet, orange: brightness alone tells the size, so the colour-blind read it too
const HEAT = [[0, 0, 4], [51, 13, 110], [137, 34, 106], [207, 68, 70], [249, 142, 9], [252, 255, 164]];
const HEAT_TABLE = Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((value, channel) => Math.round(value + (HEAT[low + 1][channel] - value) * (place - low)));
});

function heatGradient() {
  return `linear-gradient(to right, ${HEAT.map((rgb) => `rgb(${rgb.join(",")})`).join(", ")})`;
}

// all samples of the region, one canvas pixel each: the browser enlarges them without smoothing
function sized(canvas, region) {
  if (canvas.width !== region.width || canvas.height !== region.height) {
    canvas.width = region.width;
    canvas.height = region.height;
  }
  return canvas.getContext("2d");
}

function drawPicture(canvas, picture, region) {
  const { x, y, width, height } = region;
  sized(canvas, region).drawImage(picture.bitmap, x, y, width, height, 0, 0, width, height);
}

function drawWipe(canvas, left, right, region, share) {
  const { x, y, width, height } = region;
  drawPicture(canvas, right, region);
  const cut = Math.round(width * share);
  if (cut > 0) canvas.getContext("2d").drawImage(left.bitmap, x, y, cut, height, 0, 0, cut, height);
}

function drawDifference(canvas, original, decoded, region, gain) {
  const context = sized(canvas, region);
  const image = context.createImageData(region.width, region.height);
  for (let row = 0, to = 0; row < region.height; row++) {
    let from = (region.y + row) * original.width + region.x;
    for (let column = 0; column < region.width; column++, from++, to += 4) {
      const error = Math.min(255, Math.round(Math.abs(original.luma[from] - decoded.luma[from]) * gain));
      const rgb = HEAT_TABLE[error];
      image.data[to] = rgb[0];
      image.data[to + 1] = rgb[1];
      image.data[to + 2] = rgb[2];
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
