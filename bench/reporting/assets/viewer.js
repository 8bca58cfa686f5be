// Pictures of a scene (a frame at a level of noise), two or more, all under the same lens.
const CLEAN = "clean frame", NOISY = "noisy frame";
const MODES = { slider: "Slider", side: "Side by side", error: "Error maps" };

class Viewer {
  constructor(root, data, state) {
    Object.assign(this, { root, data, state });
    this.decoded = new Map();
    this.panes = [];
    this.frames = [...new Set(data.scenes.map((scene) => scene.frame))];
    const kept = (what) => data.scenes.some((scene) => what in scene.pictures);
    this.whats = [NOISY, ...Object.keys(data.titles), CLEAN].filter(kept);
    this.lens = new Lens(() => { this.draw(); this.remember(); });
    this.declare();
    this.build();
    root.hidden = false;
    root.previousElementSibling.remove(); // what stands there without JavaScript
    state.follow(["frame", "a", "b", "view", "sigma"], () => this.update());
    state.follow(["zoom", "x", "y"], () => this.recall());
    new ResizeObserver(() => this.draw()).observe(this.panels);
  }

  declare() {
    const { data, state, whats } = this;
    const [first, second] = data.start.methods.filter((method) => whats.includes(method));
    const scene = data.scenes.find(({ level }) => level === data.start.level) ?? data.scenes[0];
    const isPart = (text) => text !== "" && Number(text) >= 0 && Number(text) <= 1;
    state.declare("frame", scene?.frame, (frame) => this.frames.includes(frame));
    state.declare("a", second ?? whats[0], (what) => whats.includes(what));
    state.declare("b", first ?? whats.at(-1), (what) => whats.includes(what));
    state.declare("view", "slider", (mode) => mode in MODES && (mode !== "error" || whats.includes(CLEAN)));
    state.declare("zoom", "1", (text) => Number(text) >= 1 && Number(text) < 1000);
    state.declare("x", "0.5", isPart);
    state.declare("y", "0.5", isPart);
  }

  build() {
    const aside = make("div", { class: "aside" }, ...this.choices(), ...this.modes(), ...this.ends(), ...this.ranges());
    this.panels = make("div", { class: "panels", tabindex: "0", role: "group", "aria-label": "Pictures. Arrow keys move the divider, plus and minus zoom, Shift and arrow keys move what was zoomed, 0 resets." });
    operable(this.panels, this.lens);
    const gradient = [0, 0.25, 0.5, 0.75, 1].map((part) => `rgb(${heat(part).map(Math.round).join(" ")})`);
    const scale = make("span", { class: "scale" });
    scale.style.background = `linear-gradient(90deg, ${gradient.join(", ")})`;
    this.legend = make("p", { class: "note" }, "Error: mean over channels of |estimate − clean|, 0 ", scale, ` ${ERROR_TOP} of 255 and more.`);
    const { left_out } = this.data;
    const help = "Drag the divider. To zoom: pinch, or hold Ctrl and turn the wheel; after a click on the picture, the wheel alone does. Then drag to move the picture; a double click resets it.";
    const words = "Each picture is the part of the frame that has most detail, without loss. PSNR is of the whole frame, then of this part.";
    const out = left_out ? ` Kept, but left out to keep the page small: ${left_out}.` : "";
    aside.append(this.legend, make("p", { class: "note" }, help), make("p", { class: "note" }, `${words}${out}`));
    this.root.append(this.panels, aside);
  }

  // The frame, which can be searched, and what stands left and right of the divider.
  choices() {
    const { state } = this;
    const chooser = (words, name, pairs) => {
      const select = make("select", { "aria-label": words }, ...pairs.map(option));
      select.addEventListener("change", () => state.set({ [name]: select.value }));
      state.follow([name], () => { select.value = state.get(name); });
      return [make("label", {}, words, select), select];
    };
    const [frame, select] = chooser("Frame", "frame", this.frames.map((id) => [id, id]));
    const whats = this.whats.map((what) => [what, this.title(what)]);
    const [left] = chooser("Left", "a", whats);
    const [right] = chooser("Right", "b", whats);
    if (this.frames.length < 2) return [frame, left, right];
    const found = make("output");
    const search = make("input", { type: "search", placeholder: "part of a name", "aria-label": "Find a frame" });
    search.addEventListener("input", () => {
      const matches = this.frames.filter((id) => id.toLowerCase().includes(search.value.trim().toLowerCase()));
      found.value = search.value ? `${matches.length} of ${this.frames.length} frames` : "";
      if (!matches.length) return;
      select.replaceChildren(...matches.map((id) => option([id, id])));
      if (!matches.includes(state.get("frame"))) state.set({ frame: matches[0] });
      select.value = state.get("frame");
    });
    // A frame that is chosen elsewhere may be none of the matches.
    state.follow(["frame"], () => {
      if (select.value === state.get("frame")) return;
      search.value = found.value = "";
      select.replaceChildren(...this.frames.map((id) => option([id, id])));
      select.value = state.get("frame");
    });
    return [make("label", {}, "Find a frame", search, found), frame, left, right];
  }

  modes() {
    this.buttons = Object.entries(MODES).filter(([mode]) => this.state.known.get("view").isAllowed(mode)).map(([mode, words]) => {
      const button = make("button", { type: "button", "data-mode": mode }, words);
      button.addEventListener("click", () => this.state.set({ view: mode }));
      return button;
    });
    return [make("div", { class: "levels", role: "group", "aria-label": "View" }, ...this.buttons)];
  }

  // Buttons that lead to the worst and the best frame of the method on the right.
  ends() {
    const scored = this.data.scenes.some((scene) => Object.values(scene.psnr).some((psnr) => typeof psnr === "number"));
    if (!scored || this.frames.length < 2) return [];
    return ["worst", "best"].map((which) => {
      const button = make("button", { type: "button", class: "end", "data-extreme": which });
      button.addEventListener("click", () => this.extreme(which));
      this.state.follow(["b"], () => { button.textContent = `${which === "worst" ? "Worst" : "Best"} frame of ${this.title(this.state.get("b"))}`; });
      return button;
    });
  }

  ranges() {
    const range = (words, name, low, step) => {
      const input = make("input", { type: "range", min: low, max: 1, step, value: low });
      input.addEventListener("input", () => this.lens.move({ [name]: Number(input.value) }));
      this[name] = input;
      return make("label", {}, words, input);
    };
    const labels = [range("Divider", "divider", 0, 0.01), range("Zoom", "zoom", 1, 0.01), range("Across", "x", 0, 0.01), range("Down", "y", 0, 0.01)];
    [this.dividerLabel] = labels;
    return [make("div", { class: "ranges" }, ...labels)];
  }

  title(what) {
    return what === NOISY ? "Noisy" : what === CLEAN ? "Clean" : this.data.titles[what];
  }

  get shown() {
    return this.data.scenes.find(({ frame, level }) => frame === this.state.get("frame") && level === this.state.level) ?? { pictures: {}, psnr: {} };
  }

  // Among the pictures on this page, at the level that is shown.
  extreme(which) {
    const method = this.state.get("b"), sign = which === "worst" ? 1 : -1;
    const [found] = this.data.scenes
      .filter(({ psnr, level }) => typeof psnr[method] === "number" && level === this.state.level)
      .sort((one, other) => sign * (one.psnr[method] - other.psnr[method]));
    if (!found) { say(`No frame of ${this.title(method)} is scored here`); return; }
    this.state.set({ frame: found.frame });
    say(`${which} frame here of ${this.title(method)}: ${found.frame}, ${found.psnr[method].toFixed(2)} dB`);
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
    const mode = this.panels.dataset.mode = this.state.get("view");
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.mode === mode);
    this.dividerLabel.hidden = mode !== "slider";
    this.legend.hidden = mode !== "error";
    const [left, right] = [this.state.get("a"), this.state.get("b")];
    const whats = mode === "side" ? [...new Set([NOISY, left, right, CLEAN])] : [left, right];
    const [clean, ...sources] = await Promise.all([CLEAN, ...whats].map((what) => this.source(what)));
    if (this.turn !== turn) return; // another choice was made meanwhile
    const parts = whats.map((what, index) => ({ what, source: sources[index], clean })).filter(({ source }) => source);
    this.panes = mode === "slider" ? [parts].filter((pair) => pair.length).map((pair) => this.pane(pair)) : parts.map((part) => this.pane([part]));
    this.panels.replaceChildren(...this.panes.map(({ figure }) => figure));
    if (!parts.length) this.panels.append("No picture of these was kept of this frame at this level of noise.");
    else Object.assign(this.lens.size, { width: parts[0].source.width, height: parts[0].source.height });
    this.draw();
    this.recall();
  }

  pane(parts) {
    const mode = this.state.get("view");
    const canvas = make("canvas", { role: "img" });
    const words = parts.map(({ what, source, clean }) => {
      const psnr = this.shown.psnr[what];
      const whole = typeof psnr === "number" ? `${psnr.toFixed(2)} dB` : "";
      const part = clean && what !== CLEAN ? `part ${psnrOf(source, clean).toFixed(2)} dB` : "";
      return [this.title(what), [whole, part].filter(Boolean).join(", ")];
    });
    const kind = mode === "error" ? "Error map of " : "";
    canvas.setAttribute("aria-label", `${kind}${words.map((pair) => pair.join(" ")).join(" beside ")}, frame ${this.shown.frame}`);
    const caption = make("figcaption", {}, ...words.map(([title, figures]) => make("span", {}, `${title} `, make("small", {}, figures))));
    const sources = parts.map(({ source, clean }) => (mode === "error" && clean ? errorMap(source, clean) : source));
    canvas.style.aspectRatio = `${sources[0].width} / ${sources[0].height}`;
    draggable(canvas, this.lens, sources.length > 1);
    return { figure: make("figure", {}, canvas, caption), canvas, sources };
  }

  draw() {
    const { lens } = this;
    for (const { canvas, sources } of this.panes) {
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio()));
      canvas.height = Math.round((canvas.width * lens.size.height) / lens.size.width);
      canvas.style.touchAction = lens.zoom > 1 ? "none" : "pan-y"; // a page must scroll under a finger
      lens.draw(canvas, sources);
    }
    this.zoom.max = lens.most;
    for (const name of ["zoom", "x", "y", "divider"]) this[name].value = lens[name];
    this.x.disabled = this.y.disabled = lens.zoom === 1;
  }

  // The address holds the lens, in numbers short enough to read.
  remember() {
    const short = (number) => String(Number(number.toFixed(3)));
    this.state.set({ zoom: short(this.lens.zoom), x: short(this.lens.x), y: short(this.lens.y) });
  }

  recall() {
    const [zoom, x, y] = ["zoom", "x", "y"].map((name) => Number(this.state.get(name)));
    const isHere = [[zoom, this.lens.zoom], [x, this.lens.x], [y, this.lens.y]].every(([one, other]) => Math.abs(one - other) < 0.001);
    if (!isHere && this.panes.length) this.lens.move({ zoom, x, y });
  }
}
