// Mouse, fingers, wheel and keys on the pictures.
const REACH = 28; // from the divider, in CSS pixels, that a finger needs
const TURN = 20; // of a wheel, that makes a step

// Drag the divider, or what was zoomed; two fingers zoom about the place between them.
const draggable = (canvas, lens, hasDivider) => {
  const down = new Map();
  let asked = null; // where a drag began that may move the divider
  let dividing = false;
  const place = ({ x, y }) => {
    const box = canvas.getBoundingClientRect();
    return [(x - box.left) / box.width, (y - box.top) / box.height];
  };
  const isNear = ({ x }) => Math.abs(place({ x, y: 0 })[0] - lens.divider) * canvas.clientWidth < REACH;
  const both = () => {
    const [a, b] = [...down.values()];
    return { apart: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)), middle: place({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    const here = { x: event.clientX, y: event.clientY };
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, here);
    asked = down.size === 1 && hasDivider && (lens.zoom === 1 || isNear(here)) ? here : null;
    dividing = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = { x: event.clientX, y: event.clientY };
    const last = down.get(event.pointerId);
    if (!last) {
      canvas.style.cursor = hasDivider && (lens.zoom === 1 || isNear(here)) ? "ew-resize" : lens.zoom > 1 ? "grab" : "";
      return;
    }
    const before = down.size === 2 && both();
    down.set(event.pointerId, here);
    const [from, to] = [place(last), place(here)];
    if (before) {
      const after = both();
      lens.pan(after.middle[0] - before.middle[0], after.middle[1] - before.middle[1]);
      lens.zoomTo((lens.zoom * after.apart) / before.apart, after.middle);
    } else if (asked) {
      // A finger that moves up or down scrolls the page; the divider stays where it is.
      dividing ||= Math.abs(here.x - asked.x) > Math.abs(here.y - asked.y);
      if (dividing) lens.move({ divider: to[0] });
    } else {
      lens.pan(to[0] - from[0], to[1] - from[1]);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (down.size === 2) lens.snap(both().middle);
      down.delete(event.pointerId);
    });
  }
  canvas.addEventListener("dblclick", () => lens.reset());

  // A wheel scrolls the page, unless the pictures have the focus or Ctrl is held.
  let turned = 0;
  canvas.addEventListener("wheel", (event) => {
    const forced = event.ctrlKey || event.metaKey;
    if (!forced && !canvas.closest(".panels").contains(document.activeElement)) return;
    if (!forced && event.deltaY > 0 && lens.zoom === 1) return; // there is no more to zoom out
    event.preventDefault();
    turned += event.deltaY * (event.deltaMode ? 40 : 1);
    if (Math.abs(turned) < TURN) return;
    lens.step(-Math.sign(turned), place({ x: event.clientX, y: event.clientY }));
    turned = 0;
  }, { passive: false });
};

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const operable = (panels, lens) => {
  panels.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    const [across, down] = ARROWS[event.key] ?? [0, 0];
    if (event.key === "+" || event.key === "=") lens.step(1, [0.5, 0.5]);
    else if (event.key === "-") lens.step(-1, [0.5, 0.5]);
    else if (event.key === "0") lens.reset();
    else if (event.shiftKey && (across || down)) lens.pan(-across / 10, -down / 10);
    else if (across && panels.dataset.mode === "slider") lens.move({ divider: lens.divider + across / 50 });
    else return;
    event.preventDefault();
  });
};
