// One picture with its caption, or the place where two are wiped or flicker.

const BLOCK = 16; // side of a block in luma samples, as the lab measures it

class Figure {
  constructor(viewer, panel) {
    Object.assign(this, { viewer, panel });
    this.canvas = make("canvas", { "aria-label": panel ? panel.label : "two pictures compared", role: "img" });
    [this.canvas.width, this.canvas.height] = [viewer.clip.width, viewer.clip.height];
    this.box = make("div", { class: "lab-box" }, this.canvas);
    this.said = make("div", { class: "lab-said" });
    this.block = make("div", { class: "lab-block" });
    this.caption = make("figcaption", {});
    this.box.append(this.said, this.block);
    if (!panel) {
      this.tags = ["left", "right"].map((side) => make("span", { class: `lab-tag lab-tag-${side}` }));
      this.divider = make("div", { class: "lab-wipe-line" });
      this.box.append(...this.tags, this.divider);
    }
    this.element = make("figure", { class: "lab-panel", "data-role": panel?.role ?? "pair" }, this.box, this.caption);
    viewer.listen(this.box);
  }

  // true when what is to be seen is drawn, or will never be
  paint(region) {
    const panels = this.panel ? [this.panel] : this.viewer.wanted();
    const { mode, frame } = this.viewer.state;
    const original = this.viewer.panels.find(({ role }) => role === "original");
    const differs = mode === "difference" && this.panel && this.panel !== original;
    const needed = differs ? [original, this.panel] : panels;
    const missing = needed.find((panel) => panel.missing);
    const pictures = needed.map((panel) => this.viewer.picture(panel, frame));
    const waiting = needed.find((panel, i) => panel.waiting && !pictures[i]);
    const state = missing ? "missing" : pictures.every(Boolean) ? "ready" : "waiting";
    if (state === "ready") this.draw(region, pictures, differs);
    this.element.dataset.state = state;
    this.canvas.style.visibility = missing || (waiting && !this.drawn) ? "hidden" : "visible";
    this.said.textContent = missing ? missing.missing : waiting ? `decoding ${waiting.label} ... (a program that compiles itself takes up to a minute)` : "";
    if (this.divider) {
      this.divider.hidden = mode !== "wipe";
      this.divider.style.left = `${100 * this.viewer.state.wipe}%`;
    }
    this.outline(region);
    this.describe(panels, frame, differs);
    return state !== "waiting";
  }

  draw(region, pictures, differs) {
    const { wipe, gain, mode, swapped, frame } = this.viewer.state;
    this.drawn = true;
    this.element.dataset.frame = frame;
    if (differs) drawDifference(this.canvas, ...pictures, region, gain);
    else if (this.panel) drawPicture(this.canvas, pictures[0], region);
    else if (mode === "wipe") drawWipe(this.canvas, ...pictures, region, wipe);
    else drawPicture(this.canvas, pictures[swapped ? 1 : 0], region);
    if (this.panel) return;
    this.element.dataset.side = swapped ? "right" : "left";
    const [left, right] = this.viewer.wanted();
    this.tags[0].textContent = mode === "wipe" ? left.label : (swapped ? right : left).label;
    this.tags[1].textContent = right.label;
    this.tags[1].hidden = mode !== "wipe";
  }

  outline(region) {
    const { block, frame, zoom } = this.viewer.state;
    this.block.hidden = !block || block.frame !== frame || zoom === 1;
    if (this.block.hidden) return;
    const percent = (value, all) => `${(100 * value) / all}%`;
    Object.assign(this.block.style, {
      left: percent(block.x - region.x, region.width), top: percent(block.y - region.y, region.height),
      width: percent(BLOCK, region.width), height: percent(BLOCK, region.height),
    });
  }

  describe(panels, frame, differs) {
    this.caption.replaceChildren(...panels.map((panel) => described(panel, frame, differs)));
  }
}

function described(panel, frame, differs) {
  const swatch = make("span", { class: "lab-swatch" });
  swatch.style.background = panel.colour;
  swatch.hidden = panel.role === "original"; // it has no line in the strip
  const words = make("div", {}, swatch, make("b", {}, panel.label), differs ? ", luma error: " : ": ", panel.caption);
  if (frame in panel.psnr) words.append(`; this frame ${decibels(panel.psnr[frame])}`);
  if (panel.bits.length > 1 && frame in panel.bits) words.append(`, ${written(panel.bits[frame] / 1000, 1)} kbit`);
  if (panel.remark) words.append(make("span", { class: "lab-remark" }, ` ${panel.remark}`));
  return words;
}
