// The part of a picture that is shown: how large, and where. All pictures of a scene share it.
const LEAST_ACROSS = 8; // pixels of the picture, at the largest zoom

const ratio = () => window.devicePixelRatio || 1;

class Lens {
  constructor(changed) {
    this.changed = changed;
    this.size = { width: 1, height: 1 }; // of the picture, in its pixels
    this.screen = 1; // width of the canvas, in the screen's pixels
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5, divider: 0.5 });
  }

  get most() { return Math.max(1, this.size.width / LEAST_ACROSS); }

  // Width of a picture's pixel, in the screen's pixels.
  get pixel() { return (this.screen * this.zoom) / this.size.width; }

  move(changes) {
    Object.assign(this, changes);
    this.zoom = within(this.zoom, 1, this.most);
    for (const name of ["x", "y", "divider"]) this[name] = within(this[name], 0, 1);
    this.changed();
  }

  // Zoom so that what is under a point of the canvas, given in parts of its size, stays there.
  zoomTo(zoom, [u, v]) {
    const next = within(zoom, 1, this.most);
    const stay = (place, at) => {
      const edge = place * (1 - 1 / this.zoom) + at / this.zoom - at / next;
      return next > 1 ? edge / (1 - 1 / next) : 0.5;
    };
    this.move({ zoom: next, x: stay(this.x, u), y: stay(this.y, v) });
  }

  // Zoom to the next size at which a picture's pixel covers a whole number of the screen's.
  step(direction, at) {
    const now = Number(this.pixel.toFixed(6));
    const next = direction > 0 ? Math.max(Math.floor(now) + 1, Math.round(now * 1.25)) : Math.min(Math.ceil(now) - 1, Math.round(now / 1.25));
    this.zoomTo((next * this.size.width) / this.screen, at);
  }

  // Zoom to the nearest of these sizes.
  snap(at) {
    if (this.zoom > 1) this.zoomTo((Math.round(this.pixel) * this.size.width) / this.screen, at);
  }

  // Move the picture by parts of the canvas's size.
  pan(u, v) {
    if (this.zoom > 1) this.move({ x: this.x - u / (this.zoom - 1), y: this.y - v / (this.zoom - 1) });
  }

  reset() { this.move({ zoom: 1, x: 0.5, y: 0.5 }); }

  draw(canvas, sources) {
    const { width, height } = this.size;
    this.screen = canvas.width;
    const left = Math.round(-width * (1 - 1 / this.zoom) * this.x * this.pixel);
    const top = Math.round(-height * (1 - 1 / this.zoom) * this.y * this.pixel);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = this.pixel < 1;
    sources.forEach((source, index) => {
      context.save();
      if (index === 1) {
        context.beginPath();
        context.rect(canvas.width * this.divider, 0, canvas.width, canvas.height);
        context.clip();
      }
      context.drawImage(source, left, top, width * this.pixel, height * this.pixel);
      context.restore();
    });
    if (sources.length > 1) drawDivider(context, canvas.width * this.divider, canvas.height);
  }
}

// A line with a grip, to be seen on dark and on light.
const drawDivider = (context, x, height) => {
  context.save();
  context.translate(x, height / 2);
  context.scale(ratio(), ratio());
  for (const [color, more] of [["#000", 1.5], ["#fff", 0]]) {
    context.fillStyle = color;
    context.fillRect(-1 - more, -height, 2 + 2 * more, 2 * height);
    context.beginPath();
    context.arc(0, 0, 12 + more, 0, 2 * Math.PI);
    context.fill();
  }
  context.fillStyle = "#000";
  for (const side of [-1, 1]) {
    context.beginPath();
    context.moveTo(side * 8, 0);
    context.lineTo(side * 3, -5);
    context.lineTo(side * 3, 5);
    context.fill();
  }
  context.restore();
};
