// Draws rate-distortion curves as SVG; pointing at (or focusing) a point tells what was measured there.
// All text comes from Python as data and enters the page as text nodes: no markup is made of it.
const W = 760, H = 430, LEFT = 62, RIGHT = 14, TOP = 14, BOTTOM = 48;
const SVG = "http://www.w3.org/2000/svg";
const INK = "#222222", GRID = "#dddddd";

function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function div(parent, className, style, text = "") {
  const node = document.createElement("div");
  node.className = className;
  node.style.cssText = style;
  node.textContent = text;
  parent.appendChild(node);
  return node;
}

function logTicks(low, high) {
  const steps = high / low > 8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of steps) {
      const tick = step * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  return ticks;
}

function linearTicks(low, high) {
  const rough = (high - low) / 7, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(Number(tick.toPrecision(10)));
  return ticks;
}

function scales(points) {
  const xs = points.map((p) => Math.log(p.x)), ys = points.map((p) => p.y);
  const spread = (values, least) => {
    const low = Math.min(...values), high = Math.max(...values), pad = Math.max(0.06 * (high - low), least);
    return [low - pad, high + pad];
  };
  const [x0, x1] = spread(xs, 0.05), [y0, y1] = spread(ys, 0.2);
  return {
    x: (value) => LEFT + ((Math.log(value) - x0) / (x1 - x0)) * (W - LEFT - RIGHT),
    y: (value) => H - BOTTOM - ((value - y0) / (y1 - y0)) * (H - TOP - BOTTOM),
    xTicks: logTicks(Math.exp(x0), Math.exp(x1)),
    yTicks: linearTicks(y0, y1),
  };
}

function drawAxes(svg, chart, scale) {
  const font = { "font-size": 12, fill: INK, "font-family": "sans-serif" };
  for (const tick of scale.xTicks) {
    const x = scale.x(tick);
    add(svg, "line", { x1: x, x2: x, y1: TOP, y2: H - BOTTOM, stroke: GRID });
    add(svg, "text", { ...font, x, y: H - BOTTOM + 16, "text-anchor": "middle" }, tick.toLocaleString("en"));
  }
  for (const tick of scale.yTicks) {
    const y = scale.y(tick);
    add(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, stroke: GRID });
    add(svg, "text", { ...font, x: LEFT - 6, y: y + 4, "text-anchor": "end" }, tick.toLocaleString("en"));
  }
  add(svg, "rect", { x: LEFT, y: TOP, width: W - LEFT - RIGHT, height: H - TOP - BOTTOM, fill: "none", stroke: INK });
  add(svg, "text", { ...font, x: (LEFT + W) / 2, y: H - 10, "text-anchor": "middle" }, chart.x_label);
  const middle = (H - BOTTOM + TOP) / 2;
  const turn = { ...font, x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` };
  add(svg, "text", turn, chart.y_label);
}

const SHAPES = {
  circle: (x, y) => `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`,
  dot: (x, y) => `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`,
  square: (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`,
  diamond: (x, y) => `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z`,
  down: (x, y) => `M${x - 5} ${y - 4}h10l-5 9z`,
  up: (x, y) => `M${x - 5} ${y + 4}h10l-5 -9z`,
  cross: (x, y) => `M${x - 4} ${y - 4}l8 8M${x + 4} ${y - 4}l-8 8`,
};

const REACH = 16, TOGETHER = 7, MOST = 3;

function showTip(root, tip, near) {
  tip.replaceChildren();
  for (const [i, one] of near.entries()) {
    const box = div(tip, "", i ? "border-top:1px solid #bbbbbb;margin-top:4px;padding-top:4px" : "");
    one.point.lines.forEach((line, j) => div(box, "", j ? "" : `font-weight:bold;border-left:10px solid ${one.colour};padding-left:6px`, line));
  }
  tip.style.display = "block";
  const { x, y } = near[0], scale = root.querySelector("svg").clientWidth / W, left = x * scale;
  const beside = left + 18 + tip.offsetWidth < root.clientWidth ? left + 18 : left - 18 - tip.offsetWidth;
  tip.style.left = `${Math.max(0, beside)}px`;
  tip.style.top = `${Math.max(0, Math.min(y * scale - 20, H * scale - tip.offsetHeight))}px`;
  for (const one of near) one.ring.setAttribute("stroke", INK);
}

function hideTip(tip, placed) {
  tip.style.display = "none";
  for (const one of placed) one.ring.removeAttribute("stroke");
}

// The nearest point answers, with those that lie on it: marks of near coders cover each other.
function listen(root, svg, tip, placed) {
  const at = (x, y, reach) => {
    const away = (one) => Math.hypot(one.x - x, one.y - y);
    const [first] = placed.toSorted((a, b) => away(a) - away(b));
    hideTip(tip, placed);
    if (away(first) > reach) return;
    const near = placed.filter((one) => Math.hypot(one.x - first.x, one.y - first.y) <= TOGETHER);
    showTip(root, tip, [first, ...near.filter((one) => one !== first)].slice(0, MOST));
  };
  svg.addEventListener("mousemove", (event) => {
    const box = svg.getBoundingClientRect(), scale = W / box.width;
    at((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, REACH);
  });
  svg.addEventListener("mouseleave", () => hideTip(tip, placed));
  for (const one of placed) {
    one.ring.addEventListener("focus", () => { hideTip(tip, placed); showTip(root, tip, [one]); });
    one.ring.addEventListener("blur", () => hideTip(tip, placed));
  }
}

function drawCurve(svg, one, scale) {
  const group = add(svg, "g", { class: "lab-curve", "data-coder": one.label });
  const path = one.points.map((p, i) => `${i ? "L" : "M"}${scale.x(p.x)} ${scale.y(p.y)}`).join("");
  add(group, "path", { d: path, fill: "none", stroke: one.colour, "stroke-width": one.width, "stroke-dasharray": one.dash });
  return one.points.map((point) => {
    const x = scale.x(point.x), y = scale.y(point.y);
    const look = one.shape === "cross" ? { fill: "none", stroke: one.colour, "stroke-width": 2 } : { fill: one.colour };
    add(group, "path", { d: SHAPES[one.shape](x, y), ...look });
    // drawn around the mark that is pointed at; the keyboard comes here too
    const ring = add(group, "circle", {
      class: "lab-point", cx: x, cy: y, r: 8, fill: "transparent", tabindex: 0, role: "img",
      "aria-label": point.lines.join(", "), "data-coder": one.label, "data-qp": point.qp, style: "outline:none",
    });
    return { x, y, point, ring, colour: one.colour };
  });
}

function drawLegend(root, series) {
  const box = div(root, "lab-legend", "display:flex;flex-wrap:wrap;gap:2px 18px;padding:4px 10px 8px 40px");
  for (const one of series) {
    const item = div(box, "", "display:flex;align-items:center;gap:6px");
    const key = add(item, "svg", { width: 34, height: 14 });
    add(key, "line", { x1: 0, x2: 34, y1: 7, y2: 7, stroke: one.colour, "stroke-width": one.width, "stroke-dasharray": one.dash });
    const hollow = one.shape === "cross" ? { fill: "none", stroke: one.colour, "stroke-width": 2 } : { fill: one.colour };
    add(key, "path", { d: SHAPES[one.shape](17, 7), ...hollow });
    div(item, "", "", one.label);
    const fade = (how) => root.querySelectorAll(".lab-curve").forEach((curve) => {
      curve.style.opacity = how && curve.dataset.coder !== one.label ? 0.15 : 1;
    });
    item.addEventListener("mouseenter", () => fade(true));
    item.addEventListener("mouseleave", () => fade(false));
  }
}

function draw(root, chart) {
  root.replaceChildren();
  const drawn = chart.series.filter((one) => one.points.length);
  if (drawn.length) {
    const svg = add(root, "svg", { viewBox: `0 0 ${W} ${H}`, width: "100%", style: "display:block", role: "img" });
    svg.setAttribute("aria-label", chart.title);
    const scale = scales(drawn.flatMap((one) => one.points));
    drawAxes(svg, chart, scale);
    const tip = div(root, "lab-tip", "display:none;position:absolute;z-index:5;pointer-events:none;background:#ffffff;" +
      `color:${INK};border:1px solid #777777;border-radius:4px;padding:6px 9px;font-size:12px;line-height:1.45;` +
      "white-space:nowrap;box-shadow:0 2px 6px rgba(0,0,0,0.25)");
    listen(root, svg, tip, drawn.flatMap((one) => drawCurve(svg, one, scale)));
    drawLegend(root, drawn);
  }
  for (const line of chart.notes) div(root, "lab-note", "padding:2px 10px 6px 10px", line);
}

function render({ model, el }) {
  // white on every theme: the colours of the coders were chosen for it
  const root = div(el, "lab-rd", `position:relative;width:100%;max-width:${W}px;background:#ffffff;color:${INK};` +
    "border-radius:4px;font-family:sans-serif;font-size:13px;text-align:left;padding-top:2px");
  const redraw = () => draw(root, model.get("chart"));
  model.on("change:chart", redraw);
  redraw();
  return () => model.off("change:chart", redraw);
}

export default { render };
