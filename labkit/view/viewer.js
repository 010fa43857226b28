// The frame viewer: what a person picks, moves and clicks. Wipe, flicker, zoom and difference never ask the lab.

const MODES = { side: "side by side", wipe: "wipe", flicker: "flicker", difference: "difference" };
const ZOOMS = [1, 2, 4, 8, 16];
const MOST_ASKED = 12; // pictures on their way: a slider that is dragged asks for the last frame, not for all

class Viewer {
  constructor(model, el) {
    this.model = model;
    this.pictures = new PictureShelf();
    this.state = { frame: 0, mode: "side", zoom: 1, wipe: 0.5, gain: 8, swapped: false, block: null };
    this.panels = [];
    this.blocks = new Map();
    this.number = Math.random(); // several views of one viewer hear every answer: each takes its own
    this.build(el);
    this.hear = (told, buffers) => this.told(told, buffers);
    model.on("msg:custom", this.hear);
    this.say("asking the kernel ...");
    model.send({ ask: "menu", number: this.number });
  }

  close() {
    clearInterval(this.timer);
    this.model.off("msg:custom", this.hear);
  }

  // --- what stands on the page --------------------------------------------------------------------------

  build(el) {
    this.root = make("div", { class: "lab-viewer", tabindex: 0, "aria-label": "frame viewer" });
    this.root.setAttribute("role", "group");
    this.root.dataset.lmSuppressShortcuts = "true"; // the arrows are ours while the focus is here
    this.buildChoices();
    this.buildModes();
    this.box = make("div", { class: "lab-pictures" });
    this.buildFrames();
    this.strip = make("div", { class: "lab-strip-place" });
    this.worst = make("div", { class: "lab-worst-place" });
    this.line = make("div", { class: "lab-line", role: "status", "aria-live": "polite" });
    const help = "Left and right arrow: frames. Double-click: zoom in there. Drag: move the region (in a wipe: the "
      + "divider; with Shift, the region). Shift and arrows: move the region. Click the strip: jump.";
    this.root.append(
      this.choices, this.modes, this.line, this.box, this.frames, this.strip, this.worst,
      make("div", { class: "lab-help" }, help),
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
    el.append(this.root);
  }

  buildChoices() {
    this.pick = {
      clip: picker("clip", "clip"), coder: picker("coder", "version or candidate"), qp: picker("qp", "QP"),
      against: picker("against", "compared with"), anchor: picker("anchor", "real encoder"),
    };
    const words = { clip: "clip", coder: "version", qp: "QP", against: "against", anchor: "encoder" };
    this.choices = make("div", { class: "lab-row" });
    for (const [name, select] of Object.entries(this.pick)) {
      this.choices.append(make("label", {}, words[name], select));
      select.addEventListener("change", () => this.choose());
    }
  }

  buildModes() {
    this.modes = make("div", { class: "lab-row" });
    const buttons = make("div", { class: "lab-row", role: "group", "aria-label": "how to compare" });
    buttons.style.margin = buttons.style.gap = "0";
    for (const [mode, words] of Object.entries(MODES)) {
      const button = make("button", { class: `lab-mode lab-mode-${mode}`, "data-mode": mode }, words);
      button.addEventListener("click", () => this.set({ mode, swapped: false }));
      buttons.append(button);
    }
    this.left = picker("left", "left or first picture");
    this.right = picker("right", "right or second picture");
    this.wipe = slider("wipe", "place of the divider in percent", 0, 100, 1, 50);
    this.gain = slider("gain", "gain of the difference", 1, 32, 1, 8);
    this.speed = picker("speed", "changes a second");
    fill(this.speed, [0, 1, 2, 3].map((key) => ({ key, label: key ? `${key} a second` : "by hand" })), 2);
    this.swap = make("button", { class: "lab-swap", "aria-label": "show the other picture" }, "swap");
    this.zoom = picker("zoom", "zoom");
    fill(this.zoom, ZOOMS.map((key) => ({ key, label: key === 1 ? "whole picture" : `${key} ×` })), 1);
    this.region = make("span", { class: "lab-region" });
    this.scale = make("span", { class: "lab-scale" });
    this.parts = {
      pair: make("label", {}, this.left, "|", this.right), wipe: make("label", {}, "divider", this.wipe),
      flicker: make("label", {}, this.speed, this.swap), difference: make("label", {}, "gain", this.gain, this.scale),
    };
    const zoom = make("label", {}, "zoom", this.zoom, this.region);
    this.modes.append(buttons, ...Object.values(this.parts), zoom);
    for (const select of [this.left, this.right]) select.addEventListener("change", () => this.paint());
    this.wipe.addEventListener("input", () => this.set({ wipe: this.wipe.value / 100 }));
    this.gain.addEventListener("input", () => this.set({ gain: Number(this.gain.value) }));
    this.speed.addEventListener("change", () => this.set({}));
    this.swap.addEventListener("click", () => {
      this.speed.value = 0;
      this.set({ swapped: !this.state.swapped });
    });
    this.zoom.addEventListener("change", () => this.set({ zoom: Number(this.zoom.value) }));
  }

  buildFrames() {
    const step = (name, words, by, sign) => {
      const button = make("button", { class: `lab-${name}`, "aria-label": words }, sign);
      button.addEventListener("click", () => this.jump(this.state.frame + by));
      return button;
    };
    this.frame = slider("frame", "frame", 0, 0, 1, 0);
    this.frame.addEventListener("input", () => this.jump(Number(this.frame.value)));
    this.place = make("output", { class: "lab-place" });
    this.frames = make(
      "div", { class: "lab-row" }, step("previous", "previous frame", -1, "◀"), this.frame,
      step("next", "next frame", 1, "▶"), this.place,
    );
  }

  say(words) {
    this.line.textContent = words;
    this.line.hidden = !words;
  }

  // --- what the lab tells -------------------------------------------------------------------------------

  async told(told, buffers) {
    if (told.tell === "menu" && told.number === this.number) this.takeMenu(told);
    if (told.tell === "choice" && told.number === this.number) this.takeChoice(told);
    if (told.tell === "picture") {
      await this.pictures.put(told.key, told.index, told.width, buffers);
      this.pictures.asked.delete(PictureShelf.name(told.key, told.index));
      this.paint();
    }
    if (told.tell === "waiting") this.mark(told.key, { waiting: true });
    if (told.tell === "missing") this.mark(told.key, { missing: told.line, waiting: false });
    if (told.tell === "decoded") {
      for (const name of this.pictures.asked) {
        if (name.startsWith(`${told.key} `)) this.pictures.asked.delete(name);
      }
      this.blocks.set(told.key, told.blocks);
      this.mark(told.key, { remark: told.remark, waiting: false });
      this.listWorst();
    }
    if (told.tell === "line") this.say(told.line);
  }

  takeMenu(menu) {
    this.menu = menu;
    fill(this.pick.clip, menu.clips, menu.clips[0]?.key);
    fill(this.pick.coder, menu.coders, menu.start.coder);
    fill(this.pick.against, [...menu.coders, { key: "", label: "nothing else" }], menu.start.against);
    fill(this.pick.anchor, [...menu.anchors, { key: "", label: "none" }], menu.start.anchor);
    fill(this.pick.qp, [{ key: menu.start.qp, label: String(menu.start.qp) }], menu.start.qp);
    this.say(menu.clips.length ? menu.line : "No clip is recorded yet: the campaign has not begun.");
    if (menu.clips.length) this.choose();
  }

  choose() {
    this.number = Math.random();
    this.pictures.asked.clear(); // the lab forgets what it has not begun to decode
    const asked = { ask: "choice", number: this.number };
    for (const [name, select] of Object.entries(this.pick)) asked[name] = select.value;
    this.model.send({ ...asked, qp: Number(asked.qp) });
  }

  takeChoice(told) {
    const before = this.clip;
    this.clip = { ...told.clip, key: this.pick.clip.value };
    this.chosen = told;
    this.panels = told.panels;
    fill(this.pick.qp, told.qps.map((key) => ({ key, label: String(key) })), told.qp);
    this.frame.max = this.clip.frames - 1;
    if (before?.key !== this.clip.key) Object.assign(this.state, { zoom: 1, block: null });
    const { width, height } = this.clip;
    this.centre = before?.key === this.clip.key ? this.centre : [width / 2, height / 2];
    const options = this.panels.map(({ role, label }) => ({ key: role, label }));
    fill(this.left, options, this.left.value || "original");
    fill(this.right, options, this.right.value || "coder");
    if (this.right.value === this.left.value && options[1]) this.right.value = options[1].key;
    this.strip.replaceChildren(
      drawStrip(this.panels, this.clip.frames, (frame) => this.jump(frame)),
      make("div", { class: "lab-whole-clip" }, wholeClip(this.panels, this.clip.frames)),
    );
    this.say(told.line || this.menu.line);
    for (const name of ["coder", "qp", "clip"]) this.root.dataset[name] = this.pick[name].value;
    this.listWorst();
    // the lab keeps each clip's middle frame ready: it stands at once, the others when they are decoded
    const first = before?.key === this.clip.key ? this.state.frame : Math.floor(this.clip.frames / 2);
    this.set({ frame: first });
  }

  mark(key, what) {
    for (const panel of this.panels) if (panel.key === key) Object.assign(panel, what);
    if (what.missing !== undefined || what.remark !== undefined) this.layOut();
    this.paint();
  }

  // --- where it is worst --------------------------------------------------------------------------------

  listWorst() {
    const panel = this.panels.find(({ role }) => role === "coder");
    this.worst.replaceChildren();
    if (!panel) return;
    const frames = this.chosen.worst.map(({ frame, db }) => [`frame ${frame}: ${decibels(db)}`, () => this.jump(frame)]);
    this.worst.append(listed("lab-worst-frames", `worst frames of ${panel.label}:`, frames));
    const blocks = (this.blocks.get(panel.key) ?? []).map((block) => [
      `frame ${block.frame}, x ${block.x}, y ${block.y}: ${decibels(block.psnr_y_db)}`, () => this.visit(block),
    ]);
    if (blocks.length) this.worst.append(listed("lab-worst-blocks", "worst 16×16 blocks:", blocks));
  }

  visit(block) {
    this.centre = [block.x + BLOCK / 2, block.y + BLOCK / 2];
    this.set({ frame: block.frame, block, zoom: Math.max(this.state.zoom, 4) });
  }

  // --- what a person moves ------------------------------------------------------------------------------

  jump(frame) {
    if (this.clip) this.set({ frame: Math.max(0, Math.min(this.clip.frames - 1, frame)) });
  }

  key(event) {
    event.stopPropagation(); // the notebook would take the arrows from every slider in here
    const aside = event.target.tagName === "SELECT" || (event.target.type === "range" && event.target !== this.frame);
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || aside || !this.clip || (step[1] && !event.shiftKey)) return;
    event.preventDefault();
    const { width, height } = this.seen();
    if (event.shiftKey) this.pan((step[0] * width) / 4, (step[1] * height) / 4);
    else this.jump(this.state.frame + step[0]);
  }

  pan(right, down) {
    const { width, height } = this.seen();
    const within = (centre, part, all) => Math.max(part / 2, Math.min(all - part / 2, centre));
    this.centre = [
      within(this.centre[0] + right, width, this.clip.width), within(this.centre[1] + down, height, this.clip.height),
    ];
    this.paint();
  }

  seen() {
    const { width, height } = this.clip;
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side / this.state.zoom)));
    const start = (centre, part, all) => Math.max(0, Math.min(all - part, Math.round(centre - part / 2)));
    return { x: start(this.centre[0], w, width), y: start(this.centre[1], h, height), width: w, height: h };
  }

  listen(box) {
    let last = null;
    const at = (event) => {
      const place = box.getBoundingClientRect();
      return [(event.clientX - place.left) / place.width, (event.clientY - place.top) / place.height];
    };
    const wiping = (event) => this.state.mode === "wipe" && !event.shiftKey;
    const divide = (share) => {
      this.wipe.value = Math.round(100 * Math.max(0, Math.min(1, share)));
      this.set({ wipe: this.wipe.value / 100 });
    };
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      last = at(event);
      if (wiping(event)) divide(last[0]);
    });
    box.addEventListener("pointermove", (event) => {
      if (!last) return;
      const now = at(event);
      const region = this.seen();
      if (wiping(event)) divide(now[0]);
      else if (this.state.zoom > 1) this.pan((last[0] - now[0]) * region.width, (last[1] - now[1]) * region.height);
      last = now;
    });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => (last = null));
    box.addEventListener("dragstart", (event) => event.preventDefault());
    box.addEventListener("dblclick", (event) => {
      const region = this.seen();
      const [x, y] = at(event);
      this.centre = [region.x + x * region.width, region.y + y * region.height];
      this.set({ zoom: Math.min(ZOOMS.at(-1), this.state.zoom * 2) });
    });
  }

  set(changes) {
    Object.assign(this.state, changes);
    const { mode, zoom, frame, gain } = this.state;
    if ("mode" in changes || !this.figures || this.laidOut !== this.chosen) this.layOut();
    clearInterval(this.timer);
    const speed = Number(this.speed.value);
    if (mode === "flicker" && speed) this.timer = setInterval(() => this.flick(), 1000 / speed);
    this.zoom.value = zoom;
    this.frame.value = frame;
    this.scale.replaceChildren(`× ${gain}, luma error 0 `, heat(), ` ${written(255 / gain)} or more`);
    Object.assign(this.root.dataset, { mode, zoom, frame, gain });
    this.paint();
  }

  flick() {
    this.state.swapped = !this.state.swapped;
    this.paint();
  }

  // --- pictures on the page -----------------------------------------------------------------------------

  layOut() {
    if (!this.clip) return;
    const { mode } = this.state;
    this.laidOut = this.chosen;
    for (const button of this.modes.querySelectorAll(".lab-mode")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    const pair = mode === "wipe" || mode === "flicker";
    const shown = { pair, wipe: mode === "wipe", flicker: mode === "flicker", difference: mode === "difference" };
    for (const [name, part] of Object.entries(this.parts)) part.hidden = !shown[name];
    this.figures = pair ? [new Figure(this, null)] : this.panels.map((panel) => new Figure(this, panel));
    this.box.dataset.count = this.figures.length;
    this.box.style.setProperty("--lab-shape", this.clip.width / this.clip.height);
    this.box.replaceChildren(...this.figures.map(({ element }) => element));
  }

  paint() {
    if (!this.clip || !this.figures) return;
    const region = this.seen();
    const { frame, zoom } = this.state;
    const whole = this.figures.map((figure) => figure.paint(region)).every(Boolean);
    this.region.textContent = zoom === 1 ? "" : `x ${region.x}–${region.x + region.width - 1}, `
      + `y ${region.y}–${region.y + region.height - 1}`;
    this.place.textContent = `frame ${frame} of 0–${this.clip.frames - 1} (${written(frame / this.clip.fps, 2)} s)`;
    moveCursor(this.strip.firstChild, frame, this.clip.frames);
    if (whole) {
      this.root.dataset.shown = frame;
      for (const near of [frame + 1, frame - 1, frame + 2]) this.prefetch(near);
    }
  }

  wanted() {
    if (this.state.mode === "side" || this.state.mode === "difference") return this.panels;
    return [this.left.value, this.right.value].map((one) => this.panels.find(({ role }) => role === one));
  }

  prefetch(index) {
    if (index < 0 || index >= this.clip.frames) return;
    for (const panel of this.wanted()) if (!panel.missing && !panel.waiting) this.picture(panel, index);
  }

  picture(panel, index) {
    const found = this.pictures.get(panel.key, index);
    const name = PictureShelf.name(panel.key, index);
    const { asked } = this.pictures;
    if (!found && !panel.missing && !panel.waiting && !asked.has(name) && asked.size < MOST_ASKED) {
      asked.add(name);
      this.model.send({ ask: "picture", key: panel.key, index });
    }
    return found;
  }
}

export default {
  render({ model, el }) {
    const viewer = new Viewer(model, el);
    return () => viewer.close();
  },
};
