"use strict";

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const say = (text) => { document.getElementById("status").textContent = text; };

// Tables sort by the column whose head is pressed; rows without a figure stay last.
const sortable = (table) => {
  const body = table.tBodies[0];
  const heads = [...table.tHead.querySelectorAll("th:not(.group)")];
  const columns = heads.filter((head) => head.rowSpan === 2).concat(heads.filter((head) => head.rowSpan !== 2));
  const key = (row, index) => {
    const cell = row.cells[index];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" || cell.dataset.value === "nan" ? null : Number(cell.dataset.value.replace("inf", "Infinity"));
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  columns.forEach((head, index) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const isText = typeof key(body.rows[0], index) === "string";
      const before = head.getAttribute("aria-sort");
      const order = before === "descending" || (before === null && isText) ? "ascending" : "descending";
      columns.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows].map((row) => [key(row, index), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
      say(`Sorted by ${button.textContent}, ${order}`);
    });
  });
};

// One level of noise is shown at a time, the same all over a run's section.
const levels = (run) => {
  const buttons = [...run.querySelectorAll("[data-show-level]")];
  if (!buttons.length) return;
  const show = (level) => {
    for (const part of run.querySelectorAll("[data-level]")) part.hidden = part.dataset.level !== level;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.showLevel === level);
  };
  for (const group of run.querySelectorAll(".levels")) group.hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const top = button.getBoundingClientRect().top;
      show(button.dataset.showLevel);
      window.scrollBy(0, button.getBoundingClientRect().top - top);
      say(`Showing ${button.textContent}`);
    });
  }
  const all = [...new Set(buttons.map((button) => button.dataset.showLevel))];
  show(all[Math.floor(all.length / 2)]);
};

const references = (run) => {
  for (const select of run.querySelectorAll("[data-choose-reference]")) {
    select.closest("label").hidden = false;
    select.addEventListener("change", () => {
      for (const forest of run.querySelectorAll("[data-reference]")) forest.hidden = forest.dataset.reference !== select.value;
    });
  }
};

// The pictures of one scene (a frame at a level of noise), all under the same zoom.
const CLEAN = "clean frame", NOISY = "noisy frame", ERROR_TOP = 40, CANVAS_WIDTH = 1280;

// From black over violet and orange to pale yellow; 0 to ERROR_TOP of 255.
const heat = (value) => {
  const stops = [[8, 8, 20], [92, 22, 110], [214, 68, 64], [250, 166, 50], [252, 250, 200]];
  const place = Math.min(1, value) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  return stops[index].map((from, channel) => from + (stops[index + 1][channel] - from) * (place - index));
};

class Viewer {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.decoded = new Map();
    this.view = { zoom: 1, x: 0.5, y: 0.5, divider: 0.5 };
    this.mode = "slider";
    this.build();
    root.hidden = false;
    root.previousElementSibling.remove(); // what stands there without JavaScript
    this.pick(data.scenes.findIndex((scene) => scene.level === data.start.level));
  }

  build() {
    const data = this.data;
    const methods = Object.keys(data.titles).filter((method) => data.scenes.some((scene) => method in scene.pictures));
    const all = [NOISY, ...methods, CLEAN].filter((what) => data.scenes.some((scene) => what in scene.pictures));
    const choice = (words, pairs) => {
      const select = make("select", { "aria-label": words }, ...pairs.map(([value, text]) => make("option", { value }, text)));
      select.addEventListener("change", () => this.update());
      return [make("label", {}, words, select), select];
    };
    const scenes = data.scenes.map((scene, index) => [index, data.levels.length > 1 ? `${scene.frame}, ${data.levels[scene.level]}` : scene.frame]);
    const whats = all.map((what) => [what, this.title(what)]);
    const [sceneLabel, scene] = choice("Frame", scenes);
    const [leftLabel, left] = choice("Left", whats);
    const [rightLabel, right] = choice("Right", whats);
    Object.assign(this, { scene, left, right });
    const [first, second] = data.start.methods.filter((method) => all.includes(method));
    left.value = second ?? (all.includes(NOISY) ? NOISY : all[0]);
    right.value = first ?? all[all.length - 1];
    const modes = [["slider", "Slider"], ["side", "Side by side"]];
    if (all.includes(CLEAN)) modes.push(["error", "Error maps"]);
    this.modes = modes.map(([mode, words]) => {
      const button = make("button", { type: "button", "data-mode": mode }, words);
      button.addEventListener("click", () => { this.mode = mode; this.update(); });
      return button;
    });
    const extremes = ["worst", "best"].map((which) => {
      const button = make("button", { type: "button", "data-extreme": which }, `${which === "worst" ? "Worst" : "Best"} frame of the right`);
      button.addEventListener("click", () => this.extreme(which));
      return button;
    });
    const scored = data.scenes.some((scene) => Object.values(scene.psnr).some((psnr) => typeof psnr === "number"));
    this.panels = make("div", { class: "panels" });
    const range = (words, low, high, step, value, change) => {
      const input = make("input", { type: "range", min: low, max: high, step, value });
      input.addEventListener("input", () => { change(Number(input.value)); this.draw(); });
      return [make("label", {}, words, input), input];
    };
    const [dividerLabel, divider] = range("Divider", 0, 1, 0.01, 0.5, (value) => { this.view.divider = value; });
    const [zoomLabel, zoom] = range("Zoom", 1, 8, 0.25, 1, (value) => { this.view.zoom = value; });
    const [acrossLabel, across] = range("Across", 0, 1, 0.01, 0.5, (value) => { this.view.x = value; });
    const [downLabel, down] = range("Down", 0, 1, 0.01, 0.5, (value) => { this.view.y = value; });
    Object.assign(this, { divider, dividerLabel, zoom, across, down });
    const gradient = [0, 0.25, 0.5, 0.75, 1].map((part) => `rgb(${heat(part).map(Math.round).join(" ")})`);
    const scale = make("span", { class: "scale" });
    scale.style.background = `linear-gradient(90deg, ${gradient.join(", ")})`;
    this.legend = make("p", { class: "note" }, "Error: mean over channels of |estimate − clean|, 0 ", scale, ` ${ERROR_TOP} of 255 and more.`);
    const left_out = data.left_out ? ` Kept, but left out to keep the page small: ${data.left_out}.` : "";
    this.root.append(
      make("div", { class: "choices" }, sceneLabel, leftLabel, rightLabel),
      make("div", { class: "choices" }, make("div", { class: "levels", role: "group", "aria-label": "View" }, ...this.modes), ...(scored ? extremes : [])),
      this.panels,
      make("div", { class: "ranges" }, dividerLabel, zoomLabel, acrossLabel, downLabel),
      this.legend,
      make("p", { class: "note" }, `Drag to move the divider, double-click to zoom; drag with Shift, or in the other views, to move the crop. Crops are taken where the frame has most detail, and are lossless. PSNR is of the whole frame, then of the crop.${left_out}`),
    );
  }

  title(what) {
    return what === NOISY ? "Noisy" : what === CLEAN ? "Clean" : this.data.titles[what];
  }

  get shown() { return this.data.scenes[this.scene.value]; }

  pick(index) {
    this.scene.value = Math.max(0, index);
    this.update();
  }

  // Among the pictures on this page, at the level that is shown.
  extreme(which) {
    const method = this.right.value, sign = which === "worst" ? 1 : -1;
    const found = this.data.scenes
      .map((scene, index) => [scene.psnr[method], index])
      .filter(([psnr, index]) => typeof psnr === "number" && this.data.scenes[index].level === this.shown.level)
      .sort(([a], [b]) => sign * (a - b));
    if (!found.length) { say(`No frame of ${this.title(method)} is scored here`); return; }
    this.pick(found[0][1]);
    say(`${which} frame here of ${this.title(method)}: ${this.shown.frame}, ${found[0][0].toFixed(2)} dB`);
  }

  // The pixels of a picture, as a canvas of its size.
  async load(number) {
    if (!this.decoded.has(number)) {
      const image = new Image();
      image.src = this.data.pictures[number];
      await image.decode();
      const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
      canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
      this.decoded.set(number, canvas);
    }
    return this.decoded.get(number);
  }

  async source(what) {
    const number = this.shown.pictures[what];
    return number === undefined ? null : this.load(number);
  }

  async update() {
    const turn = this.turn = {};
    for (const button of this.modes) button.setAttribute("aria-pressed", button.dataset.mode === this.mode);
    this.panels.dataset.mode = this.mode;
    this.dividerLabel.hidden = this.mode !== "slider";
    this.legend.hidden = this.mode !== "error";
    const [left, right] = [this.left.value, this.right.value];
    const whats = this.mode === "side" ? [...new Set([NOISY, left, right, CLEAN])] : [left, right];
    const clean = await this.source(CLEAN);
    const sources = await Promise.all(whats.map((what) => this.source(what)));
    if (this.turn !== turn) return; // another choice was made meanwhile
    const parts = whats.map((what, index) => ({ what, source: sources[index], clean })).filter(({ source }) => source);
    this.panes = this.mode === "slider" ? [this.pane(parts)] : parts.map((part) => this.pane([part]));
    this.panels.replaceChildren(...this.panes.map(({ figure }) => figure));
    if (!parts.length) this.panels.append("No picture of these was kept of this frame.");
    this.draw();
  }

  pane(parts) {
    const canvas = make("canvas", { role: "img" });
    const words = parts.map(({ what, source, clean }) => {
      const psnr = this.shown.psnr[what];
      const whole = typeof psnr === "number" ? `${psnr.toFixed(2)} dB` : "";
      const crop = clean && what !== CLEAN ? `crop ${psnrOf(source, clean).toFixed(2)} dB` : "";
      return [this.title(what), [whole, crop].filter(Boolean).join(", ")];
    });
    const kind = this.mode === "error" ? "Error map of " : "";
    canvas.setAttribute("aria-label", `${kind}${words.map((pair) => pair.join(" ")).join(" beside ")}, frame ${this.shown.frame}`);
    const caption = make("figcaption", {}, ...words.map(([title, figures]) => make("span", {}, `${title} `, make("small", {}, figures))));
    const sources = parts.map(({ source, clean }) => (this.mode === "error" ? errorMap(source, clean) : source));
    const figure = make("figure", {}, canvas, caption);
    this.pointer(canvas);
    return { figure, canvas, sources };
  }

  pointer(canvas) {
    let last = null;
    canvas.addEventListener("pointerdown", (event) => { last = event; canvas.setPointerCapture(event.pointerId); move(event); });
    canvas.addEventListener("pointerup", () => { last = null; });
    canvas.addEventListener("dblclick", () => {
      this.view.zoom = this.view.zoom >= 8 ? 1 : Math.min(8, this.view.zoom * 2);
      this.draw();
    });
    const move = (event) => {
      if (last === null) return;
      const box = canvas.getBoundingClientRect();
      if (this.mode === "slider" && !event.shiftKey) {
        this.view.divider = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      } else if (this.view.zoom > 1) {
        const room = this.view.zoom - 1;
        this.view.x = Math.min(1, Math.max(0, this.view.x - (event.clientX - last.clientX) / box.width / room));
        this.view.y = Math.min(1, Math.max(0, this.view.y - (event.clientY - last.clientY) / box.height / room));
      }
      last = event;
      this.draw();
    };
    canvas.addEventListener("pointermove", move);
  }

  draw() {
    const { zoom, x, y, divider } = this.view;
    for (const [input, value] of [[this.zoom, zoom], [this.across, x], [this.down, y], [this.divider, divider]]) input.value = value;
    this.across.disabled = this.down.disabled = zoom === 1;
    for (const { canvas, sources } of this.panes) {
      if (!sources.length) continue;
      const { width, height } = sources[0];
      const scale = Math.max(1, Math.floor(CANVAS_WIDTH / width)); // whole, so that pixels stay square
      canvas.width = width * scale;
      canvas.height = height * scale;
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      const [w, h] = [width / zoom, height / zoom];
      const cut = [(width - w) * x, (height - h) * y, w, h];
      sources.forEach((source, index) => {
        context.save();
        if (index === 1) {
          context.beginPath();
          context.rect(canvas.width * divider, 0, canvas.width, canvas.height);
          context.clip();
        }
        context.drawImage(source, ...cut, 0, 0, canvas.width, canvas.height);
        context.restore();
      });
      if (sources.length > 1) drawDivider(context, canvas.width * divider, canvas.height);
    }
  }
}

// A line with a grip, to be seen on dark and on light.
const drawDivider = (context, x, height) => {
  for (const [color, more] of [["#000", 3], ["#fff", 0]]) {
    context.fillStyle = color;
    context.fillRect(x - 2 - more, 0, 4 + 2 * more, height);
    context.beginPath();
    context.arc(x, height / 2, 20 + more, 0, 2 * Math.PI);
    context.fill();
  }
  context.fillStyle = "#000";
  for (const side of [-1, 1]) {
    context.beginPath();
    context.moveTo(x + side * 13, height / 2);
    context.lineTo(x + side * 5, height / 2 - 8);
    context.lineTo(x + side * 5, height / 2 + 8);
    context.fill();
  }
};

const pixels = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;

const psnrOf = (source, clean) => {
  const [ours, theirs] = [pixels(source), pixels(clean)];
  let sum = 0;
  for (let i = 0; i < ours.length; i += 1) if (i % 4 !== 3) sum += (ours[i] - theirs[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * ours.length * 0.75) / sum);
};

const errorMap = (source, clean) => {
  const [ours, theirs] = [pixels(source), pixels(clean)];
  const canvas = make("canvas", { width: source.width, height: source.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(source.width, source.height);
  for (let i = 0; i < ours.length; i += 4) {
    const error = (Math.abs(ours[i] - theirs[i]) + Math.abs(ours[i + 1] - theirs[i + 1]) + Math.abs(ours[i + 2] - theirs[i + 2])) / 3;
    image.data.set([...heat(error / ERROR_TOP).map(Math.round), 255], i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
};

for (const table of document.querySelectorAll("table.sortable")) sortable(table);
for (const run of document.querySelectorAll("section.run")) { levels(run); references(run); }
for (const root of document.querySelectorAll("[data-viewer]")) {
  new Viewer(root, JSON.parse(document.getElementById(root.dataset.viewer).textContent));
}
