// The strip under the pictures: PSNR-Y and bits of every frame, one line for each coder; a click gives a frame.

const SVG = "http://www.w3.org/2000/svg";
const STRIP = { width: 960, height: 250, left: 64, right: 14, psnr: [34, 116], bits: [134, 216] };
const DASHES = { coder: "", against: "7 4", anchor: "2 3" };
const MOST_DOTS = 80; // frames; with more, dots would be a smear

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function written(value, digits = 0) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function linearTicks(low, high) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((size) => (high - low) / size <= 4) ?? 100;
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-6) + 1 }, (_, i) => first + i * step);
}

function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const digit of high / low > 30 ? [1] : [1, 2, 5]) found.push(digit * 10 ** power);
  }
  return found.filter((value) => value >= low && value <= high);
}

// one of the two plots: an axis with its unit, a line for each coder
class Plot {
  constructor(drawing, [top, bottom], frames, unit, log) {
    Object.assign(this, { drawing, top, bottom, frames, log });
    const middle = (top + bottom) / 2;
    this.text(16, middle, unit, { transform: `rotate(-90 16 ${middle})`, "text-anchor": "middle" });
    drawing.append(
      svg("rect", {
        x: STRIP.left, y: top, width: STRIP.width - STRIP.left - STRIP.right, height: bottom - top,
        fill: "none", stroke: "#bbbbbb",
      }),
    );
  }

  text(x, y, words, more = {}) {
    this.drawing.append(svg("text", { x, y, "font-size": 12, fill: "#222222", ...more }, words));
  }

  scale(values) {
    const around = this.log ? [0.8, 1.25] : [0.15, 0.15];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    [low, high] = this.log
      ? [low * around[0], high * around[1]]
      : [low - around[0] * Math.max(high - low, 0.5), high + around[1] * Math.max(high - low, 0.5)];
    const of = (value) => (this.log ? Math.log(value) : value);
    this.y = (value) => this.bottom - ((of(value) - of(low)) / (of(high) - of(low))) * (this.bottom - this.top);
    for (const tick of this.log ? logTicks(low, high) : linearTicks(low, high)) {
      const y = this.y(tick);
      this.drawing.append(
        svg("line", { x1: STRIP.left, x2: STRIP.width - STRIP.right, y1: y, y2: y, stroke: "#e4e4e4" }),
      );
      const digits = this.log ? Math.max(0, -Math.floor(Math.log10(tick))) : tick % 1 ? 1 : 0;
      this.text(STRIP.left - 6, y + 4, written(tick, digits), { "text-anchor": "end" });
    }
  }

  line(panel, values, told) {
    const shown = values.map((value, frame) => [frame, value]).filter(([, value]) => value !== null && value > 0);
    const points = shown.map(([frame, value]) => `${frameX(frame, this.frames).toFixed(1)},${this.y(value).toFixed(1)}`);
    this.drawing.append(
      svg("polyline", {
        points: points.join(" "), fill: "none", stroke: panel.colour, "stroke-width": 1.8,
        "stroke-dasharray": DASHES[panel.role] ?? "",
      }),
    );
    for (const [frame, value] of this.frames > MOST_DOTS ? [] : shown) {
      const [cx, cy] = [frameX(frame, this.frames), this.y(value)];
      const dot = svg("circle", { cx, cy, r: 3, fill: panel.colour });
      dot.append(svg("title", {}, `${panel.label}, frame ${frame}: ${told(value)}`));
      this.drawing.append(dot);
    }
  }
}

function frameX(frame, frames) {
  const width = STRIP.width - STRIP.left - STRIP.right;
  return STRIP.left + ((frame + 0.5) / frames) * width;
}

function drawStrip(panels, frames, jump) {
  const drawing = svg("svg", {
    viewBox: `0 0 ${STRIP.width} ${STRIP.height}`, class: "lab-strip", role: "img",
    "aria-label": "PSNR-Y in dB and kilobits of every frame, by coder; click to jump to a frame",
  });
  drawing.append(svg("rect", { width: STRIP.width, height: STRIP.height, fill: "#ffffff" }));
  const coded = panels.filter((panel) => panel.role !== "original");
  drawLegend(drawing, coded);
  drawPsnr(new Plot(drawing, STRIP.psnr, frames, "PSNR-Y (dB)", false), coded);
  drawBits(new Plot(drawing, STRIP.bits, frames, "kbit a frame", true), coded);
  drawFrames(drawing, frames);
  drawing.append(
    svg("line", { class: "lab-cursor", y1: STRIP.psnr[0], y2: STRIP.bits[1], stroke: "#b62324", "stroke-width": 1.6 }),
  );
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * STRIP.width;
    const share = (x - STRIP.left) / (STRIP.width - STRIP.left - STRIP.right);
    jump(Math.max(0, Math.min(frames - 1, Math.floor(share * frames))));
  });
  return drawing;
}

function drawLegend(drawing, coded) {
  let x = STRIP.left;
  for (const panel of coded) {
    drawing.append(
      svg("line", {
        x1: x, x2: x + 28, y1: 17, y2: 17, stroke: panel.colour, "stroke-width": 2.4,
        "stroke-dasharray": DASHES[panel.role],
      }),
    );
    drawing.append(svg("text", { x: x + 34, y: 21, "font-size": 13, fill: "#222222" }, panel.label));
    x += 62 + 7.4 * panel.label.length;
  }
}

function drawPsnr(plot, coded) {
  const values = coded.flatMap((panel) => panel.psnr).filter((value) => value !== null);
  if (values.length) plot.scale(values);
  for (const panel of values.length ? coded : []) plot.line(panel, panel.psnr, (value) => `${written(value, 2)} dB`);
  const lossless = coded.filter((panel) => panel.psnr.includes(null)).map((panel) => panel.label);
  if (lossless.length) {
    plot.text(STRIP.left + 8, plot.top + 15, `${lossless.join(", ")}: frames without a point are lossless in luma`);
  }
}

function drawBits(plot, coded) {
  const byFrame = coded.filter((panel) => panel.bits.length === plot.frames);
  const values = byFrame.flatMap((panel) => panel.bits).filter((bits) => bits > 0).map((bits) => bits / 1000);
  if (values.length) plot.scale(values);
  for (const panel of values.length ? byFrame : []) {
    plot.line(panel, panel.bits.map((bits) => bits / 1000), (value) => `${written(value, 2)} kbit`);
  }
  if (!values.length) plot.text(STRIP.left + 8, plot.top + 20, "no bits by frame: see below");
}

// what codes a whole clip at once has no bits by frame: said in words
function wholeClip(panels, frames) {
  const whole = panels.filter((panel) => panel.role !== "original" && panel.bits.length !== frames);
  const names = whole.map((panel) => `${panel.label} (${written(panel.bytes)} bytes)`).join(" and ");
  const verb = whole.length > 1 ? "code" : "codes";
  return whole.length ? `${names} ${verb} the whole clip at once: no bits by frame.` : "";
}

function drawFrames(drawing, frames) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => frames / size <= 20) ?? 1000;
  for (let frame = 0; frame < frames; frame += step) {
    const place = { x: frameX(frame, frames), y: STRIP.bits[1] + 15, "font-size": 12, fill: "#222222" };
    drawing.append(svg("text", { ...place, "text-anchor": "middle" }, String(frame)));
  }
  const middle = { x: (STRIP.left + STRIP.width) / 2, y: STRIP.height - 4, "font-size": 12, fill: "#222222" };
  drawing.append(svg("text", { ...middle, "text-anchor": "middle" }, "frame"));
}

function moveCursor(drawing, frame, frames) {
  const cursor = drawing.querySelector(".lab-cursor");
  const x = frameX(frame, frames);
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  cursor.setAttribute("data-frame", frame);
}
